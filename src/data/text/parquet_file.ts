/**
 * One column of a Parquet file, row by row, a row group at a time.
 *
 * Row groups with a page index are read in smaller parts, so that memory does
 * not depend on how large the writer made them. The format is hyparquet's
 * business; what it cannot read is reported in its words.
 *
 * @module
 */

import type {
  AsyncBuffer,
  Compressors,
  FileMetaData,
  SchemaTree,
} from "hyparquet";
import {
  brotliDecompressSync,
  gunzipSync,
  zstdDecompressSync,
} from "node:zlib";
import { errorMessage, EXIT, UserError } from "../../base/errors.ts";
import {
  checkUnchanged,
  openListed,
  readBytes,
  type ReadOptions,
  type TextFile,
} from "./file_bytes.ts";
import {
  checkPages,
  type PackedPage,
  type PageColumn,
} from "./parquet_pages.ts";

/** Text that is unpacked at once, where the file leaves a choice. */
const PART_BYTES = 32 << 20;

/**
 * The texts of `file`, in order; rows without one (null) are left out.
 *
 * @throws {UserError} When the column is missing or the file is damaged.
 */
export async function* readParquet(
  file: TextFile,
  { hash, onBytes, signal }: ReadOptions = {},
): AsyncGenerator<string> {
  if (hash) {
    // Its parts are not read in order, so the checksum takes a pass.
    for await (const _ of readBytes(file, { hash, signal }));
  }
  using opened = await openListed(file);
  const { parquetMetadataAsync, parquetRead, parquetSchema, ...parts } =
    await loadHyparquet();
  const { parquetHeader, compressors } = parts;
  const buffer = { byteLength: file.sizeBytes, slice: readsInTurn(opened) };
  const metadata = await explaining(
    file,
    parquetMetadataAsync(buffer, { geoparquet: false }),
  );
  const schema = await explaining(
    file,
    Promise.resolve(metadata).then(parquetSchema),
  );
  const column = textColumn(file, schema);
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const report = shares(file.sizeBytes, Number(metadata.num_rows), onBytes);
  const chunks = chunksOf(metadata, {
    column,
    schema,
    readHeader: parquetHeader,
  });
  // Those that were read and are to be unpacked, in this order.
  let packed: PackedPage[] = [];
  const checked = {
    ...buffer,
    slice: readsInTurn(opened, (bytes, start) => {
      const chunk = chunks.find(({ from, to }) => start >= from && start < to);
      if (chunk) packed.push(...checkPages(bytes, chunk));
    }),
  };
  const unpackers = checking(compressors, () => packed.shift());
  for (const { rowStart, rowEnd } of rowRanges(metadata, column)) {
    signal?.throwIfAborted();
    let rows: unknown[][] = [];
    packed = [];
    await explaining(
      file,
      parquetRead({
        file: checked,
        metadata,
        columns: [column],
        rowStart,
        rowEnd,
        useOffsetIndex: true,
        geoparquet: false,
        compressors: unpackers,
        parsers: { stringFromBytes: (bytes) => decoder.decode(bytes) },
        onComplete: (all) => rows = all,
      }),
    );
    for (const [value] of rows) if (typeof value === "string") yield value;
    report(rowEnd - rowStart);
  }
  await checkUnchanged(file, opened);
}

/** Only where it is needed: the decompressors take a while to load. */
async function loadHyparquet() {
  const [hyparquet, { parquetHeader }, { compressors }] = await Promise.all([
    import("hyparquet"),
    import("hyparquet/src/column.js"),
    import("hyparquet-compressors"),
  ]);
  return {
    ...hyparquet,
    parquetHeader,
    compressors: {
      ...compressors,
      // Those of the system are several times as fast.
      ZSTD: inflating(zstdDecompressSync),
      GZIP: inflating(gunzipSync),
      BROTLI: inflating(brotliDecompressSync),
      SNAPPY: (bytes: Uint8Array, length: number) =>
        compressors.SNAPPY!(bytes, checkedLength(bytes, length)),
    },
  };
}

/**
 * The same, with a look at what comes out.
 *
 * @param next The page that is to be unpacked now.
 */
function checking(
  compressors: Compressors,
  next: () => PackedPage | undefined,
): Compressors {
  return Object.fromEntries(
    Object.entries(compressors).map(([codec, unpack]) => [
      codec,
      (bytes: Uint8Array, length: number) => {
        const page = next();
        if (page?.size !== bytes.length || page.length !== length) {
          throw new Error("its pages are not where their headers say");
        }
        const unpacked = unpack!(bytes, length);
        page.check(unpacked);
        return unpacked;
      },
    ]),
  );
}

/**
 * Pages have a few megabytes, and those of empty texts pack into nothing.
 * Larger ones may say that they become so many times as long, and no more.
 */
const USUAL_PAGE_BYTES = 64 << 20, MOST_PAGE_BYTES = 1 << 30;
const MOST_INFLATION = 1000;

/** Unpacks no more than the page says it holds. */
function inflating(
  unpack: (
    bytes: Uint8Array,
    options: { maxOutputLength: number },
  ) => Uint8Array,
) {
  return (bytes: Uint8Array, length: number) => {
    const maxOutputLength = Math.max(1, checkedLength(bytes, length));
    return unpack(bytes, { maxOutputLength });
  };
}

/** @throws {Error} For a length that no writer of such a page would claim. */
export function checkedLength(bytes: Uint8Array, length: number): number {
  const most = Math.min(
    MOST_PAGE_BYTES,
    USUAL_PAGE_BYTES + MOST_INFLATION * bytes.length,
  );
  if (length >= 0 && length <= most) return length;
  throw new Error(`a page claims to have ${length} bytes`);
}

/**
 * Reads of one open file, one after another, as they share its position.
 *
 * @param look Throws for bytes, from `start` on, that nobody should get.
 */
function readsInTurn(
  file: Deno.FsFile,
  look: (bytes: ArrayBuffer, start: number) => void = () => {},
): AsyncBuffer["slice"] {
  let last: Promise<unknown> = Promise.resolve();
  return (start, end = Infinity) => {
    const read = last.then(async () => {
      const bytes = await readRange(file, start, end);
      look(bytes, start);
      return bytes;
    });
    last = read.catch(() => {}); // where another one failed, nobody waits
    return read;
  };
}

async function readRange(
  file: Deno.FsFile,
  start: number,
  end: number,
): Promise<ArrayBuffer> {
  const length = Math.min(end, (await file.stat()).size) - start;
  const bytes = new Uint8Array(Math.max(0, length));
  await file.seek(start, Deno.SeekMode.Start);
  for (let at = 0; at < length;) {
    const count = await file.read(bytes.subarray(at));
    if (count === null) throw new Error("the file ends too early");
    at += count;
  }
  return bytes.buffer;
}

/**
 * Which column has the text: the one that was named, else "text", else the
 * only one with text in it.
 */
function textColumn(file: TextFile, { children }: SchemaTree): string {
  const isText = ({ children, element }: SchemaTree) =>
    children.length === 0 && element.type === "BYTE_ARRAY" &&
    element.repetition_type !== "REPEATED";
  const texts = children.filter(isText).map(({ element }) => element.name);
  const wanted = file.column ?? (texts.length === 1 ? texts[0] : "text");
  if (texts.includes(wanted)) return wanted;
  const named = children.some(({ element }) => element.name === wanted);
  const all = children.map(({ element }) => element.name).join(", ");
  throw new UserError(
    `Cannot read dataset "${file.name}": ` +
      (named
        ? `its column "${wanted}" does not hold text`
        : `it has no column "${wanted}"; its columns are ${all}`),
    {
      hint: texts.length > 0
        ? `name one with text: --text-column ${texts[0]}`
        : "none of its columns holds text",
      exitCode: EXIT.usage,
    },
  );
}

/** Where the pages of a column lie, and how they are to be read. */
function chunksOf(
  { row_groups: groups }: FileMetaData,
  { column, schema, readHeader }: {
    column: string;
    schema: SchemaTree;
    readHeader: PageColumn["readHeader"];
  },
): (PageColumn & { from: number; to: number })[] {
  const leaf = schema.children.find(({ element }) => element.name === column);
  const isOptional = leaf?.element.repetition_type !== "REQUIRED";
  return groups.flatMap(({ columns }) => {
    const chunk = columns.find(({ meta_data }) =>
      meta_data?.path_in_schema?.[0] === column
    );
    if (!chunk?.meta_data) return [];
    const { data_page_offset, dictionary_page_offset, codec } = chunk.meta_data;
    const from = Number(dictionary_page_offset || data_page_offset);
    const to = from + Number(chunk.meta_data.total_compressed_size);
    const isPacked = codec !== "UNCOMPRESSED";
    return [{ from, to, isOptional, isPacked, readHeader }];
  });
}

/** The rows of a file in parts: its row groups, or less. */
function* rowRanges(
  { row_groups: groups }: FileMetaData,
  column: string,
): Generator<{ rowStart: number; rowEnd: number }> {
  let first = 0;
  for (const { num_rows, columns } of groups) {
    const rows = Number(num_rows);
    // A damaged footer may lack what its type promises.
    const chunk = columns.find(({ meta_data }) =>
      meta_data?.path_in_schema?.[0] === column
    );
    const bytes = Number(chunk?.meta_data?.total_uncompressed_size ?? 0);
    const hasIndex = chunk?.offset_index_offset !== undefined;
    const parts = hasIndex ? Math.max(1, Math.ceil(bytes / PART_BYTES)) : 1;
    const step = Math.max(1, Math.ceil(rows / parts));
    for (let row = 0; row < rows; row += step) {
      const rowEnd = first + Math.min(rows, row + step);
      yield { rowStart: first + row, rowEnd };
    }
    first += rows;
  }
}

/** Reports `bytes` in all, as rows are done. */
function shares(
  bytes: number,
  rows: number,
  onBytes: ReadOptions["onBytes"],
): (count: number) => void {
  let done = 0, reported = 0;
  return (count) => {
    done += count;
    const upTo = Math.floor(bytes * done / rows);
    onBytes?.(upTo - reported);
    reported = upTo;
  };
}

async function explaining<T>(file: TextFile, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (cause) {
    const reason = errorMessage(cause).replace(/^parquet /, "");
    throw new UserError(
      `Cannot read dataset "${file.name}" as Parquet: ${reason}`,
      {
        hint: "make or download the file again",
        exitCode: EXIT.usage,
        cause,
      },
    );
  }
}
