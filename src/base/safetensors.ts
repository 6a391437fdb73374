/**
 * Safetensors: named tensors in one file that every framework opens.
 *
 * A file is an 8-byte little-endian header size, a JSON header that gives each
 * tensor's dtype, shape and byte range, and the bytes. In F32, F16 or BF16 on
 * disk, always f32 in memory.
 * Format: https://github.com/huggingface/safetensors#format
 *
 * @module
 */

import { UserError } from "./errors.ts";
import {
  BYTES_PER_VALUE,
  decodeFloats,
  encodeFloats,
  type FloatFormat,
} from "./float_formats.ts";
import { isRecord, parseJson } from "./parse_json.ts";
import { release } from "./release.ts";
import { type FileSeal, sizeMismatch, writeSealed } from "./sealed_file.ts";

/** A tensor by name, row-major. */
export interface NamedTensor {
  name: string;
  /** Sizes, outermost first; `[]` is a scalar. */
  shape: readonly number[];
  /** As many values as the product of `shape`. */
  data: Float32Array;
}

/** A tensor whose values are fetched when they are needed, and not kept. */
export interface DeferredTensor {
  name: string;
  shape: readonly number[];
  /**
   * As many values as the product of `shape`, in memory of their own: who
   * reads them may `release` it.
   */
  read(): Promise<Float32Array>;
}

/** A tensor that is at hand, or to be fetched. */
export type TensorSource = NamedTensor | DeferredTensor;

/** Where one tensor lies in a file. */
export interface TensorEntry {
  name: string;
  dtype: FloatFormat;
  shape: number[];
  /** Byte range [begin, end), counted from the end of the header. */
  begin: number;
  end: number;
}

/** What the head of a file says. */
export interface SafetensorsHeader {
  /** In the order of their bytes. */
  tensors: TensorEntry[];
  metadata: Record<string, string>;
  /** Position of the first tensor byte in the file. */
  dataStart: number;
}

/** The limit of the reference implementation. */
const MAX_HEADER_BYTES = 100_000_000;
const PREFIX_BYTES = 8;

/**
 * Writes `tensors` in the given order and waits until they are on disk.
 * Not atomic, and makes no copy of the data: of deferred tensors one is in
 * memory at a time.
 *
 * @param options.metadata Texts for the header; `format: "pt"`, which the
 * Hugging Face libraries insist on, is added.
 * @param options.dtype Of every tensor.
 * @param options.append Written behind what the file has already.
 * @returns The seal of what is written.
 * @throws {RangeError} If a name repeats or a shape does not fit its data.
 */
export async function writeSafetensors(
  path: string,
  tensors: readonly TensorSource[],
  { metadata = {}, dtype = "F32", append }: {
    metadata?: Record<string, string>;
    dtype?: FloatFormat;
    append?: boolean;
  } = {},
): Promise<FileSeal> {
  for (const tensor of tensors) {
    if ("data" in tensor) expectFit(tensor, tensor.data);
  }
  const head = encodeHeader(tensors, {
    metadata: { format: "pt", ...metadata },
    dtype,
  });
  return await writeSealed(path, parts(head, tensors, dtype), { append });
}

async function* parts(
  head: Uint8Array,
  tensors: readonly TensorSource[],
  dtype: FloatFormat,
): AsyncGenerator<Uint8Array> {
  yield head;
  for (const tensor of tensors) {
    const data = await valuesOf(tensor);
    expectFit(tensor, data);
    yield encodeFloats(data, dtype);
    if (!("data" in tensor)) release(data);
  }
}

/** The values of a tensor: its own, or newly read. */
export async function valuesOf(tensor: TensorSource): Promise<Float32Array> {
  return "data" in tensor ? tensor.data : await tensor.read();
}

function expectFit(
  { name, shape }: TensorSource,
  { length }: Float32Array,
): void {
  if (countOf(shape) === length) return;
  throw new RangeError(
    `Cannot write tensor "${name}": shape (${shape.join(", ")}) does ` +
      `not fit ${length} values`,
  );
}

/**
 * The tensors of a file, each read from there when it is asked for, converted
 * to f32. The header is read and checked now.
 *
 * @throws {UserError} If the file is damaged, cut short, or holds integers or
 * other dtypes; `read()` likewise.
 */
export async function deferSafetensors(
  path: string,
): Promise<DeferredTensor[]> {
  return deferTensors(path, await readSafetensorsHeader(path));
}

/** The tensors of a file whose header was read. */
export function deferTensors(
  path: string,
  { tensors, dataStart }: SafetensorsHeader,
): DeferredTensor[] {
  return tensors.map(({ name, shape, dtype, begin, end }) => ({
    name,
    shape,
    async read() {
      using file = await openForReading(path);
      await file.seek(dataStart + begin, Deno.SeekMode.Start);
      const bytes = new Uint8Array(end - begin);
      await readFull(file, bytes, path);
      return decodeFloats(bytes, dtype);
    },
  }));
}

/**
 * Reads and checks the header alone.
 *
 * @param options.from Where it begins, in a file that has other things before.
 * @throws {UserError} As {@linkcode deferSafetensors}.
 */
export async function readSafetensorsHeader(
  path: string,
  { from = 0 }: { from?: number } = {},
): Promise<SafetensorsHeader> {
  using file = await openForReading(path);
  await file.seek(from, Deno.SeekMode.Start);
  return await readHeader(file, path, from);
}

/** Bytes that the values of a tensor take in a file. */
export function sizeBytesOf(
  { shape }: Pick<TensorSource, "shape">,
  dtype: FloatFormat = "F32",
): number {
  return countOf(shape) * BYTES_PER_VALUE[dtype];
}

function encodeHeader(
  tensors: readonly TensorSource[],
  { metadata, dtype }: {
    metadata: Record<string, string>;
    dtype: FloatFormat;
  },
): Uint8Array {
  const header: Record<string, unknown> = { __metadata__: metadata };
  let at = 0;
  for (const { name, shape } of tensors) {
    if (Object.hasOwn(header, name)) {
      throw new RangeError(`Cannot write tensor "${name}" twice`);
    }
    const end = at + sizeBytesOf({ shape }, dtype);
    header[name] = { dtype, shape, data_offsets: [at, end] };
    at = end;
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  // Padding with spaces keeps the tensors aligned for memory mapping.
  const padded = Math.ceil(json.length / 8) * 8;
  const bytes = new Uint8Array(PREFIX_BYTES + padded).fill(0x20);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(padded), true);
  bytes.set(json, PREFIX_BYTES);
  return bytes;
}

async function openForReading(path: string): Promise<Deno.FsFile> {
  try {
    return await Deno.open(path, { read: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new UserError(`Cannot read "${path}": there is no such file`, {
      hint: "check the path",
      cause: error,
    });
  }
}

async function readHeader(
  file: Deno.FsFile,
  path: string,
  from = 0,
): Promise<SafetensorsHeader> {
  const fileBytes = (await file.stat()).size - from;
  if (fileBytes < PREFIX_BYTES) {
    throw damaged(path, `it has ${fileBytes} bytes, expected at least 8`);
  }
  const prefix = new Uint8Array(PREFIX_BYTES);
  await readFull(file, prefix, path);
  const headerBytes = Number(
    new DataView(prefix.buffer).getBigUint64(0, true),
  );
  if (headerBytes > MAX_HEADER_BYTES) {
    throw damaged(path, "it does not begin as a safetensors file does");
  }
  const dataStart = PREFIX_BYTES + headerBytes;
  if (dataStart > fileBytes) {
    throw damaged(path, `it ${sizeMismatch(fileBytes, dataStart)} or more`);
  }
  const json = new Uint8Array(headerBytes);
  await readFull(file, json, path);

  const { tensors, metadata } = parseHeader(json, path);
  const wanted = dataStart + (tensors.at(-1)?.end ?? 0);
  if (fileBytes !== wanted) {
    throw damaged(path, `it ${sizeMismatch(fileBytes, wanted)}`);
  }
  return { tensors, metadata, dataStart: from + dataStart };
}

function parseHeader(
  json: Uint8Array,
  path: string,
): Pick<SafetensorsHeader, "tensors" | "metadata"> {
  let header: unknown;
  try {
    header = parseJson(new TextDecoder("utf-8", { fatal: true }).decode(json));
  } catch (cause) {
    throw damaged(path, "its header is not JSON", cause);
  }
  if (!isRecord(header)) throw damaged(path, "its header is not an object");
  const { __metadata__: metadata = {}, ...entries } = header;
  if (!isRecord(metadata)) throw damaged(path, "its metadata is not an object");

  const tensors = Object.entries(entries)
    .map(([name, value]) => parseEntry(name, value, path))
    .sort((a, b) => a.begin - b.begin || a.end - b.end);
  let at = 0;
  for (const { name, begin, end } of tensors) {
    if (begin !== at) {
      throw damaged(
        path,
        `tensor "${name}" begins at byte ${begin}, expected ${at}`,
      );
    }
    at = end;
  }
  return { tensors, metadata: metadata as Record<string, string> };
}

function parseEntry(name: string, value: unknown, path: string): TensorEntry {
  const entry = isRecord(value) ? value : {};
  const { dtype, shape, data_offsets: offsets } = entry;
  if (!isSizes(shape) || !isSizes(offsets) || offsets.length !== 2) {
    throw damaged(path, `tensor "${name}" has no valid shape or offsets`);
  }
  if (typeof dtype !== "string" || !Object.hasOwn(BYTES_PER_VALUE, dtype)) {
    throw new UserError(
      `Cannot read "${path}": tensor "${name}" has dtype ` +
        `${typeof dtype === "string" ? dtype : JSON.stringify(dtype)}, ` +
        `allowed are ${Object.keys(BYTES_PER_VALUE).join(", ")}`,
      { hint: "convert the weights to one of these dtypes" },
    );
  }
  const [begin, end] = offsets;
  const known = dtype as TensorEntry["dtype"];
  const wanted = countOf(shape) * BYTES_PER_VALUE[known];
  if (end - begin !== wanted) {
    throw damaged(
      path,
      `tensor "${name}" has ${end - begin} bytes, its shape ` +
        `(${shape.join(", ")}) needs ${wanted}`,
    );
  }
  return { name, dtype: known, shape, begin, end };
}

async function readFull(
  file: Deno.FsFile,
  into: Uint8Array,
  path: string,
): Promise<void> {
  for (let at = 0; at < into.length;) {
    const n = await file.read(into.subarray(at));
    if (n === null) throw damaged(path, "it was cut short while being read");
    at += n;
  }
}

function damaged(path: string, what: string, cause?: unknown): UserError {
  return new UserError(`Cannot read "${path}": ${what}`, {
    hint: "the file is damaged or was cut short; use another copy of it",
    cause,
  });
}

function countOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) &&
    value.every((n) => Number.isSafeInteger(n) && n >= 0);
}
