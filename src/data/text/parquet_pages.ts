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

/** Writers make pages of some ten thousand values. */
const MOST_VALUES = 1 << 26;
/** So many more than are left may be in the last run: whole groups of 8. */
const PADDING = 512;

/** What of the column says how its pages are to be read. */
export interface PageColumn {
  /** Whether rows may be without a value, which levels then tell. */
  readonly isOptional: boolean;
  readonly isPacked: boolean;
  /** The decoder's own: reads a header, and moves to what is behind it. */
  readonly readHeader: (reader: DataReader) => PageHeader;
}

/** A page that is packed: what is in it is seen once it is unpacked. */
export interface PackedPage {
  /** Bytes, packed and not. */
  readonly size: number;
  readonly length: number;
  /** @throws {Error} If what is in it is damaged. */
  check(unpacked: Uint8Array): void;
}

/**
 * Checks pages that lie one behind the other.
 *
 * @returns Those that are packed, in their order.
 * @throws {Error} If one is damaged.
 */
export function checkPages(
  bytes: ArrayBuffer,
  { isOptional, isPacked, readHeader }: PageColumn,
): PackedPage[] {
  const view = new DataView(bytes);
  const reader: DataReader = { view, offset: 0 };
  const packed: PackedPage[] = [];
  while (reader.offset < bytes.byteLength - 1) {
    const header = readHeader(reader);
    const begin = reader.offset, size = header.compressed_page_size;
    const { uncompressed_page_size: length } = header;
    expectCount(size, { what: "size", most: bytes.byteLength - begin });
    expectCount(length, { what: "unpacked size" });
    reader.offset += size;
    const { data_page_header: first, data_page_header_v2: second } = header;
    let levels = 0; // bytes before what is packed
    let isPlain = !isPacked;
    let check = (_: DataView) => {};
    if (header.type === "DATA_PAGE" && first) {
      const count = expectCount(first.num_values, {
        what: "values",
        most: MOST_VALUES,
      });
      check = (page) => {
        const at = isOptional ? checkOwnLevels(page, count) : 0;
        checkValues(page, { at, count, encoding: first.encoding });
      };
    } else if (header.type === "DATA_PAGE_V2" && second) {
      const count = expectCount(second.num_values, {
        what: "values",
        most: MOST_VALUES,
      });
      expectCount(second.num_nulls, { what: "nulls", most: count });
      expectCount(second.num_rows, { what: "rows", most: count });
      const { repetition_levels_byte_length: repeated } = second;
      const { definition_levels_byte_length: defined } = second;
      expectCount(repeated, { what: "levels", most: size });
      expectCount(defined, { what: "levels", most: size - repeated });
      levels = repeated + defined;
      expectCount(length, { what: "unpacked size", least: levels });
      if (isOptional) {
        const end = begin + levels;
        checkRuns(view, { at: begin + repeated, end, width: 1, count });
      }
      isPlain ||= second.is_compressed === false;
      const { encoding } = second;
      check = (page) => checkValues(page, { at: 0, count, encoding });
    } else if (header.type === "DICTIONARY_PAGE") {
      const { num_values } = header.dictionary_page_header ?? {};
      expectCount(num_values, { what: "values", most: MOST_VALUES });
    } else {
      throw new Error("a page of unknown kind");
    }
    if (isPlain) {
      check(new DataView(bytes, begin + levels, size - levels));
    } else {
      packed.push({
        ...{ size: size - levels, length: length - levels },
        check: ({ buffer, byteOffset, byteLength }) =>
          check(new DataView(buffer, byteOffset, byteLength)),
      });
    }
  }
  return packed;
}

/** @throws {Error} Unless it is a whole number from `least` to `most`. */
function expectCount(
  value: number | undefined,
  { what, most = Infinity, least = 0 }: {
    what: string;
    most?: number;
    least?: number;
  },
): number {
  if (Number.isSafeInteger(value) && value! >= least && value! <= most) {
    return value!;
  }
  throw new Error(`the ${what} of a page cannot be ${value ?? "missing"}`);
}

/** Levels that a page begins with, behind their length. @returns Their end. */
function checkOwnLevels(page: DataView, count: number): number {
  const end = 4 + page.getUint32(0, true);
  checkRuns(page, { at: 4, end, width: 1, count });
  return end;
}

/** Indices into a dictionary; texts by themselves cannot claim too much. */
function checkValues(
  page: DataView,
  { at, count, encoding }: { at: number; count: number; encoding: string },
): void {
  if (!/^(RLE|PLAIN_DICTIONARY|RLE_DICTIONARY)$/.test(encoding)) return;
  if (at >= page.byteLength) return; // all of its rows are without a value
  const width = page.getUint8(at);
  if (width > 32) throw new Error(`indices of ${width} bits`);
  const end = page.byteLength;
  // Of `count` rows some may have no value: the runs end with the page.
  checkRuns(page, { at: at + 1, end, width, count, mayEnd: true });
}

/** Walks runs of numbers of `width` bits, for `count` of them. */
function checkRuns(
  view: DataView,
  { at, end, width, count, mayEnd = false }: {
    at: number;
    end: number;
    width: number;
    count: number;
    mayEnd?: boolean;
  },
): void {
  for (let left = count; left > 0;) {
    if (at >= end && mayEnd) return;
    let head = 0;
    for (let shift = 0;; shift += 7) {
      if (at >= end || shift > 28) throw new Error("runs that end too early");
      const byte = view.getUint8(at++);
      head += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) break;
    }
    const half = Math.floor(head / 2);
    const inGroups = head % 2 === 1; // of 8 numbers; or one, repeated
    const values = inGroups ? 8 * half : half;
    if (values > left + PADDING) {
      throw new Error(`a run of ${values} where ${left} are left`);
    }
    at += inGroups ? half * width : Math.ceil(width / 8);
    left -= values;
  }
}
