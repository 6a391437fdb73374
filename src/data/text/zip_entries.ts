/**
 * What lies in a .zip archive, by its directory at the end.
 *
 * Entries are read where they lie, one at a time, so an archive of any size
 * can be used without unpacking it. Data that is stored or deflated can be
 * read, which is what all common programs write; sizes above 4 GB too.
 * Reading by the directory, not from the front, gives the entries in the order
 * of their paths and their checksums, which a stream of the archive would not.
 * Source: PKWARE APPNOTE 6.3.10, sections 4.3 and 4.5.3.
 *
 * @module
 */

/** One file in an archive. */
export interface ZipEntry {
  /** Path inside the archive. */
  name: string;
  method: "stored" | "deflated" | "other";
  isEncrypted: boolean;
  /** CRC-32 of the unpacked bytes. */
  crc: number;
  /** Bytes in the archive. */
  packedBytes: number;
  /** Bytes when unpacked. */
  textBytes: number;
  /** Where its own header lies in the archive. */
  headerAt: number;
  /** Size of the whole archive. */
  archiveBytes: number;
}

const LOCAL_HEADER = 0x04034b50;
const DIRECTORY_ENTRY = 0x02014b50;
const END = 0x06054b50;
const END_64 = 0x06064b50;
const END_64_LOCATOR = 0x07064b50;

/** The end record: 22 bytes, and a comment of up to 65,535. */
const LONGEST_END = 22 + 0xffff;
/** In a field of 32 bits: see the field of 64 bits. */
const SEE_64 = 0xffffffff;
/** Its directory is read at once; a million files take some 100 MB. */
const LONGEST_DIRECTORY = 1 << 29;

/**
 * The files of an archive by path; folders are left out.
 *
 * @returns Null for what is no zip archive, or a damaged one.
 */
export async function listZip(file: Deno.FsFile): Promise<ZipEntry[] | null> {
  const { size } = await file.stat();
  const end = await findDirectory(file, size);
  if (end === null || end.at + end.length > size) return null;
  if (end.length > LONGEST_DIRECTORY) return null;
  const view = await readView(file, end.at, end.length);
  if (view === null) return null;
  const entries: ZipEntry[] = [];
  for (let at = 0, i = 0; i < end.count; i++) {
    if (at + 46 > view.byteLength) return null;
    if (view.getUint32(at, true) !== DIRECTORY_ENTRY) return null;
    const length = 46 + view.getUint16(at + 28, true) +
      view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
    if (at + length > view.byteLength) return null;
    const entry = readEntry(
      new DataView(view.buffer, view.byteOffset + at, length),
      size,
    );
    if (entry === null) return null;
    if (!entry.name.endsWith("/")) entries.push(entry);
    at += length;
  }
  return entries.sort((a, b) => a.name < b.name ? -1 : a.name > b.name ? 1 : 0);
}

/** Where the data of an entry begins; null when its header is damaged. */
export async function findEntryData(
  file: Deno.FsFile,
  { headerAt, packedBytes, archiveBytes }: ZipEntry,
): Promise<number | null> {
  const view = await readView(file, headerAt, 30);
  if (view === null || view.getUint32(0, true) !== LOCAL_HEADER) return null;
  const start = headerAt + 30 + view.getUint16(26, true) +
    view.getUint16(28, true);
  return start + packedBytes <= archiveBytes ? start : null;
}

/** Place, length and number of entries of the directory. */
async function findDirectory(
  file: Deno.FsFile,
  size: number,
): Promise<{ at: number; length: number; count: number } | null> {
  const from = Math.max(0, size - LONGEST_END);
  const tail = await readView(file, from, size - from);
  if (tail === null) return null;
  for (let at = tail.byteLength - 22; at >= 0; at--) {
    if (tail.getUint32(at, true) !== END) continue;
    if (at + 22 + tail.getUint16(at + 20, true) !== tail.byteLength) continue;
    const locator = await readView(file, from + at - 20, 20);
    if (locator?.getUint32(0, true) === END_64_LOCATOR) {
      const end = await readView(file, uint64(locator, 8), 56);
      if (end?.getUint32(0, true) !== END_64) return null;
      const [count, length, start] = [32, 40, 48].map((i) => uint64(end, i));
      return { at: start, length, count };
    }
    return {
      at: tail.getUint32(at + 16, true),
      length: tail.getUint32(at + 12, true),
      count: tail.getUint16(at + 10, true),
    };
  }
  return null;
}

function readEntry(view: DataView, archiveBytes: number): ZipEntry | null {
  const flags = view.getUint16(8, true);
  const method = view.getUint16(10, true);
  const nameBytes = view.getUint16(28, true);
  const extraAt = 46 + nameBytes;
  const extraEnd = extraAt + view.getUint16(30, true);
  // Unpacked size, packed size and place, as far as they need 64 bits.
  const fields = [24, 20, 42].map((at) => view.getUint32(at, true));
  for (let at = extraAt; at + 4 <= extraEnd;) {
    const length = view.getUint16(at + 2, true);
    if (at + 4 + length > extraEnd) return null;
    if (view.getUint16(at, true) === 1) {
      let next = at + 4;
      for (const [i, field] of fields.entries()) {
        if (field !== SEE_64) continue;
        if (next + 8 > at + 4 + length) return null;
        fields[i] = uint64(view, next);
        next += 8;
      }
    }
    at += 4 + length;
  }
  const [textBytes, packedBytes, headerAt] = fields;
  const name = new Uint8Array(view.buffer, view.byteOffset + 46, nameBytes);
  return {
    name: new TextDecoder().decode(name),
    method: method === 0 ? "stored" : method === 8 ? "deflated" : "other",
    isEncrypted: (flags & 1) !== 0,
    crc: view.getUint32(16, true),
    packedBytes,
    textBytes,
    headerAt,
    archiveBytes,
  };
}

function uint64(view: DataView, at: number): number {
  return Number(view.getBigUint64(at, true));
}

/** Null where the file has no such bytes. */
async function readView(
  file: Deno.FsFile,
  at: number,
  length: number,
): Promise<DataView | null> {
  if (at < 0 || !Number.isSafeInteger(at)) return null;
  const bytes = new Uint8Array(length);
  await file.seek(at, Deno.SeekMode.Start);
  for (let done = 0; done < length;) {
    const count = await file.read(bytes.subarray(done));
    if (count === null) return null;
    done += count;
  }
  return new DataView(bytes.buffer);
}
