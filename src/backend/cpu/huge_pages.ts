/**
 * Pages of 2 MiB for the memory of programs, where the system has them.
 *
 * Generating text reads every weight once per token; with pages of 4 KiB a
 * seventh of that time goes into looking up where they are (17.6 against 20.9
 * ms a token of GPT-2 124M at best; AMD Zen 4 in a virtual machine, November
 * 2026). Training gains less than runs differ by.
 *
 * @module
 */

import { C_LIBRARIES, openFirst } from "./native/system_library.ts";

/** Of madvise, on Linux: back it with huge pages when it is first used. */
const MADV_HUGEPAGE = 14;

/** Asks for huge pages. Nothing changes where there are none. */
export function preferHugePages({ buffer }: WebAssembly.Memory): void {
  if (Deno.build.os !== "linux") return;
  try {
    const { symbols } = openFirst(C_LIBRARIES, {
      madvise: { parameters: ["pointer", "usize", "i32"], result: "i32" },
    });
    // Deno takes no view of shared memory by its type.
    const bytes = new Uint8Array(buffer) as Uint8Array<ArrayBuffer>;
    const start = Deno.UnsafePointer.of(bytes);
    symbols.madvise(start, BigInt(bytes.length), MADV_HUGEPAGE);
  } catch {
    // No permission for libraries, or no C library: it is only slower so.
  }
}
