/**
 * Calls native code from JavaScript in some ten nanoseconds.
 *
 * Deno calls the functions of a library through code that it compiles for
 * them, but a bare address through a slow general path: 10 ns against 1,100
 * (AMD Zen 4, Deno 2.9, November 2026). So a function of the C library does
 * the call: `bsearch` over one element compares it once, by the function it
 * is given, whatever that returns.
 *
 * @module
 */

import type { VectorWidth } from "./encoding.ts";
import { C_LIBRARIES, openFirst } from "./system_library.ts";

/** Code that is ready to be called; can be sent to other threads. */
export interface NativeCode {
  readonly width: VectorWidth;
  /** Whether the processor can run the kernels for bf16. */
  readonly bf16: boolean;
  /** Of each kernel, in order. */
  readonly addresses: readonly bigint[];
}

/** Calls kernel number `kernel` with arguments at byte `args` of the memory. */
export type NativeCall = (kernel: number, args: number) => void;

/**
 * Makes `native` callable from this thread, on `memory`.
 *
 * @throws {Error} If there is no C library.
 */
export function bindNative(
  native: NativeCode,
  memory: WebAssembly.Memory,
): NativeCall {
  const { symbols } = openFirst(C_LIBRARIES, {
    bsearch: {
      // The key, the element, how many there are, their size, the function.
      parameters: ["pointer", "pointer", "usize", "usize", "pointer"],
      result: "void",
    },
  });
  const kernels = native.addresses.map(pointerTo);
  // A shared memory grows in place: its first byte never moves.
  const bytes = new Uint8Array(memory.buffer) as Uint8Array<ArrayBuffer>;
  const base = Deno.UnsafePointer.of(bytes);
  const start = Deno.UnsafePointer.value(base);
  // A thread keeps its arguments in one place.
  let at = -1, element: Deno.PointerValue = null;
  return (kernel, args) => {
    if (args !== at) {
      at = args;
      element = pointerTo(start + BigInt(args >>> 0));
    }
    symbols.bsearch(base, element, 1n, 4n, kernels[kernel]);
  };
}

function pointerTo(address: bigint): Deno.PointerValue {
  return Deno.UnsafePointer.create(address);
}
