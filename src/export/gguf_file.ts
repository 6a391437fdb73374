/**
 * GGUF: the one-file format of llama.cpp, as far as writing goes.
 *
 * A file is a fixed head, metadata as typed key-value pairs, a table of
 * tensors, and their bytes, each tensor aligned. Little-endian, version 3.
 * Source: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md; oracles:
 * Python's gguf and @huggingface/gguf.
 *
 * @module
 */

import { encodeFloats } from "../base/float_formats.ts";
import { release } from "../base/release.ts";
import { type DeferredTensor, valuesOf } from "../base/safetensors.ts";
import { type FileSeal, writeSealed } from "../base/sealed_file.ts";
import { encodeQ8, Q8_BLOCK, Q8_BLOCK_BYTES } from "./q8_0.ts";

/** How the numbers of a tensor are stored. */
export type GgmlType = keyof typeof GGML_TYPES;

/** The format's number of each type, and the bytes of so many values. */
const GGML_TYPES = {
  F32: { id: 0, values: 1, bytes: 4 },
  F16: { id: 1, values: 1, bytes: 2 },
  Q8_0: { id: 8, values: Q8_BLOCK, bytes: Q8_BLOCK_BYTES },
  BF16: { id: 30, values: 1, bytes: 2 },
} as const;

/** A value of the metadata with the type that its readers expect. */
export type GgufValue =
  | { u32: number }
  | { f32: number }
  | { bool: boolean }
  | { text: string }
  | { texts: readonly string[] }
  | { i32s: readonly number[] }
  | { f32s: readonly number[] };

/** A tensor on its way into a file; read once. */
export interface GgufTensor extends DeferredTensor {
  type: GgmlType;
}

const VALUE_TYPE = { u32: 4, i32: 5, f32: 6, bool: 7, text: 8, array: 9 };
const MAGIC = "GGUF";
const VERSION = 3;
/** What a reader assumes where `general.alignment` is not given. */
const ALIGNMENT = 32;

/**
 * Writes a file and waits until it is on disk. Not atomic; of the tensors one
 * is in memory at a time.
 */
export async function writeGguf(
  path: string,
  { metadata, tensors }: {
    metadata: readonly (readonly [key: string, value: GgufValue])[];
    tensors: readonly GgufTensor[];
  },
): Promise<FileSeal> {
  return await writeSealed(path, parts(encodeHead(metadata, tensors), tensors));
}

/** Bytes of a tensor in a file, without the padding after it. */
export function ggufTensorBytes(
  { shape, type }: Pick<GgufTensor, "shape" | "type">,
): number {
  const count = shape.reduce((product, size) => product * size, 1);
  const { values, bytes } = GGML_TYPES[type];
  return count / values * bytes;
}

async function* parts(
  head: Uint8Array,
  tensors: readonly GgufTensor[],
): AsyncGenerator<Uint8Array> {
  yield head;
  for (const tensor of tensors) {
    const values = await valuesOf(tensor);
    const bytes = tensor.type === "Q8_0"
      ? encodeQ8(values)
      : encodeFloats(values, tensor.type);
    yield bytes;
    yield new Uint8Array(paddingAfter(bytes.length));
    release(values);
  }
}

function encodeHead(
  metadata: readonly (readonly [key: string, value: GgufValue])[],
  tensors: readonly GgufTensor[],
): Uint8Array {
  const out = new ByteWriter();
  out.bytes(new TextEncoder().encode(MAGIC));
  out.u32(VERSION);
  out.u64(tensors.length);
  out.u64(metadata.length);
  for (const [key, value] of metadata) {
    out.text(key);
    writeValue(out, value);
  }
  let offset = 0; // from the first byte after the head
  for (const { name, shape, type } of tensors) {
    out.text(name);
    out.u32(shape.length);
    for (const size of shape.toReversed()) out.u64(size); // innermost first
    out.u32(GGML_TYPES[type].id);
    out.u64(offset);
    const size = ggufTensorBytes({ shape, type });
    offset += size + paddingAfter(size);
  }
  out.bytes(new Uint8Array(paddingAfter(out.length)));
  return out.take();
}

function writeValue(out: ByteWriter, value: GgufValue): void {
  if ("u32" in value) {
    out.u32(VALUE_TYPE.u32);
    out.u32(value.u32);
  } else if ("f32" in value) {
    out.u32(VALUE_TYPE.f32);
    out.f32(value.f32);
  } else if ("bool" in value) {
    out.u32(VALUE_TYPE.bool);
    out.bytes(Uint8Array.of(Number(value.bool)));
  } else if ("text" in value) {
    out.u32(VALUE_TYPE.text);
    out.text(value.text);
  } else if ("texts" in value) {
    out.array(VALUE_TYPE.text, value.texts, (text) => out.text(text));
  } else if ("i32s" in value) {
    out.array(VALUE_TYPE.i32, value.i32s, (n) => out.u32(n));
  } else {
    out.array(VALUE_TYPE.f32, value.f32s, (n) => out.f32(n));
  }
}

function paddingAfter(length: number): number {
  return (ALIGNMENT - length % ALIGNMENT) % ALIGNMENT;
}

/** Little-endian values in one growing array. */
class ByteWriter {
  #bytes = new Uint8Array(1 << 16);
  length = 0;

  bytes(bytes: Uint8Array): void {
    this.#grow(bytes.length);
    this.#bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  /** Of a negative number, its two's complement. */
  u32(value: number): void {
    this.#view(4).setUint32(0, value, true);
    this.length += 4;
  }

  f32(value: number): void {
    this.#view(4).setFloat32(0, value, true);
    this.length += 4;
  }

  u64(value: number): void {
    this.#view(8).setBigUint64(0, BigInt(value), true);
    this.length += 8;
  }

  text(text: string): void {
    const bytes = new TextEncoder().encode(text);
    this.u64(bytes.length);
    this.bytes(bytes);
  }

  array<T>(type: number, values: readonly T[], write: (value: T) => void) {
    this.u32(VALUE_TYPE.array);
    this.u32(type);
    this.u64(values.length);
    values.forEach(write);
  }

  take(): Uint8Array {
    return this.#bytes.subarray(0, this.length);
  }

  #view(size: number): DataView {
    this.#grow(size);
    return new DataView(this.#bytes.buffer, this.length, size);
  }

  #grow(size: number): void {
    if (this.length + size <= this.#bytes.length) return;
    const larger = new Uint8Array(2 * (this.length + size));
    larger.set(this.#bytes.subarray(0, this.length));
    this.#bytes = larger;
  }
}
