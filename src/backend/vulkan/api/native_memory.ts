/**
 * Memory at a fixed address, for structures that native code reads.
 *
 * JavaScript's garbage collector neither moves nor frees it as long as its
 * owner is alive. What a single call needs is written to a scratch memory that
 * is used again by the next call; what must last longer has memory of its own.
 *
 * Addresses and handles are bigints throughout: Deno passes those to native
 * code in 5 ns, numbers in 45 (Deno 2.9, November 2026).
 *
 * @module
 */

import type { FieldValues, StructType } from "./struct.ts";

/** Every structure of Vulkan is aligned to this or less. */
const ALIGNMENT = 8;
/** Size of the scratch memory: the largest call but for those with shaders. */
const SCRATCH_BYTES = 64 * 1024;

/** A number of bytes, zeros at first, that stay where they are. */
export class NativeMemory {
  readonly address: bigint;
  readonly sizeBytes: number;
  readonly #view: DataView<ArrayBuffer>;
  /** So many bytes are taken. */
  #used = 0;

  constructor(sizeBytes: number) {
    // An ArrayBuffer's bytes lie outside of the collector's heap for good;
    // those of a small typed array begin their life within it.
    this.sizeBytes = roundUp(Math.max(1, sizeBytes));
    this.#view = new DataView(new ArrayBuffer(this.sizeBytes));
    this.address = Deno.UnsafePointer.value(
      Deno.UnsafePointer.of(this.#view),
    );
  }

  /** Room for `sizeBytes`, filled with zeros. @returns Its address. */
  take(sizeBytes: number): bigint {
    const at = this.#used;
    const end = at + roundUp(sizeBytes);
    if (end > this.sizeBytes) {
      throw new RangeError(`Cannot take ${sizeBytes} bytes: they do not fit`);
    }
    new Uint8Array(this.#view.buffer, at, end - at).fill(0);
    this.#used = end;
    return this.address + BigInt(at);
  }

  /** Writes one structure. @returns Its address. */
  write<F>(type: StructType<F>, values: FieldValues<F>): bigint {
    const address = this.take(type.sizeBytes);
    type.write(this.#view, this.#offsetOf(address), values);
    return address;
  }

  /** Writes structures one after another. @returns The address of the first. */
  writeAll<F>(
    type: StructType<F>,
    list: readonly FieldValues<F>[],
  ): bigint {
    const address = this.take(type.sizeBytes * list.length);
    list.forEach((values, i) => {
      const at = this.#offsetOf(address) + i * type.sizeBytes;
      type.write(this.#view, at, values);
    });
    return address;
  }

  /** Writes text that ends with a zero. @returns Its address. */
  writeText(text: string): bigint {
    const bytes = new TextEncoder().encode(text);
    const address = this.take(bytes.length + 1);
    new Uint8Array(this.#view.buffer).set(bytes, this.#offsetOf(address));
    return address;
  }

  /** Writes addresses or handles. @returns The address of the first. */
  writeHandles(handles: readonly bigint[]): bigint {
    const address = this.take(8 * handles.length);
    handles.forEach((handle, i) => {
      this.#view.setBigUint64(this.#offsetOf(address) + 8 * i, handle, true);
    });
    return address;
  }

  /** Copies words. @returns Their address. */
  writeWords(words: Uint32Array): bigint {
    const address = this.take(words.byteLength);
    const at = this.#offsetOf(address);
    new Uint32Array(this.#view.buffer, at, words.length).set(words);
    return address;
  }

  /** A structure that native code has filled in. */
  read<F>(type: StructType<F>, address: bigint): Required<FieldValues<F>> {
    return type.read(this.#view, this.#offsetOf(address));
  }

  readHandle(address: bigint): bigint {
    return this.#view.getBigUint64(this.#offsetOf(address), true);
  }

  readU32(address: bigint): number {
    return this.#view.getUint32(this.#offsetOf(address), true);
  }

  /**
   * Runs `work`, after which all that it took is free again. Calls may be
   * nested, and must not go on after `work` has returned.
   */
  during<T>(work: () => T): T {
    const before = this.#used;
    try {
      return work();
    } finally {
      this.#used = before;
    }
  }

  #offsetOf(address: bigint): number {
    return Number(address - this.address);
  }
}

function roundUp(sizeBytes: number): number {
  return Math.ceil(sizeBytes / ALIGNMENT) * ALIGNMENT;
}

/** For the arguments of one call; this thread's. */
export const scratch = new NativeMemory(SCRATCH_BYTES);
