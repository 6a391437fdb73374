/**
 * Looks at the pages of a Parquet column before they are decoded.
 *
 * The decoder believes their headers and runs: where a header lacks a length,
 * or a run claims a billion values, a damaged file of some hundred bytes would
 * keep it busy for ever, or fill the memory.
 *
 * Format: https://parquet.apache.org/docs/file-format/data-pages/ and
 * https://parquet.apache.org/docs/file-format/data-pages/encodings/.
 *
 * @module
 */

import type { DataReader, PageHeader } from "hyparquet";

/** Reads a header, and moves to what is behind it. */
type ReadHeader = (reader: DataReader) => PageHeader;

/** Writers make pages of some ten thousand values. */
const MOST_VALUES = 1 << 26;
/** So many more than are left may be in the last run: whole groups of 8. */
const PADDING = 512;

/** What of the column says how its pages are to be read. */
export interface PageColumn {
  /** Whether rows may be without a value, which levels then tell. */
  readonly isOptional: boolean;
  readonly isPacked: boolean;
}

/**
 * Checks pages that lie one behind the other.
 *
 * @throws {Error} If one is damaged.
 */
export function checkPages(
  bytes: ArrayBuffer,
  { isOptional, isPacked }: PageColumn,
  readHeader: ReadHeader,
): void {
  const view = new DataView(bytes);
  const reader: DataReader = { view, offset: 0 };
  while (reader.offset < bytes.byteLength - 1) {
    const header = readHeader(reader);
    const begin = reader.offset, size = header.compressed_page_size;
    expectCount(size, "size", bytes.byteLength - begin);
    expectCount(header.uncompressed_page_size, "unpacked size");
    reader.offset += size;
    const { data_page_header: first, data_page_header_v2: second } = header;
    if (header.type === "DATA_PAGE" && first) {
      const count = expectCount(first.num_values, "values", MOST_VALUES);
      // Packed levels are seen by nobody before the decoder.
      if (isOptional && !isPacked) {
        const length = view.getUint32(begin, true);
        const from = begin + 4;
        checkLevels(view, { from, to: from + length, count });
      }
    } else if (header.type === "DATA_PAGE_V2" && second) {
      const count = expectCount(second.num_values, "values", MOST_VALUES);
      expectCount(second.num_nulls, "nulls", count);
      expectCount(second.num_rows, "rows", count);
      const repeated = expectCount(
        second.repetition_levels_byte_length,
        "levels",
        size,
      );
      const levels = expectCount(
        second.definition_levels_byte_length,
        "levels",
        size - repeated,
      );
      if (isOptional) {
        const from = begin + repeated;
        checkLevels(view, { from, to: from + levels, count });
      }
    } else if (header.type === "DICTIONARY_PAGE") {
      const { num_values } = header.dictionary_page_header ?? {};
      expectCount(num_values, "values", MOST_VALUES);
    } else {
      throw new Error("a page of unknown kind");
    }
  }
}

/** @throws {Error} Unless it is a whole number from 0 to `most`. */
function expectCount(
  value: number | undefined,
  what: string,
  most = Number.MAX_SAFE_INTEGER,
): number {
  if (Number.isSafeInteger(value) && value! >= 0 && value! <= most) {
    return value!;
  }
  throw new Error(`the ${what} of a page cannot be ${value ?? "missing"}`);
}

/** Walks the runs of levels of one bit, for `count` values. */
function checkLevels(
  view: DataView,
  { from, to, count }: { from: number; to: number; count: number },
): void {
  let at = from;
  for (let left = count; left > 0;) {
    let head = 0;
    for (let shift = 0;; shift += 7) {
      if (at >= to || shift > 28) throw new Error("levels that end too early");
      const byte = view.getUint8(at++);
      head += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) break;
    }
    const half = Math.floor(head / 2);
    const isPacked = head % 2 === 1; // groups of 8 bits, or one repeated
    const values = isPacked ? 8 * half : half;
    if (values === 0 || values > left + PADDING) {
      throw new Error(`a run of ${values} levels where ${left} are left`);
    }
    at += isPacked ? half : 1;
    left -= values;
  }
}
