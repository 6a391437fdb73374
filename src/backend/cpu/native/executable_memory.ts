/**
 * Memory that the processor may execute, on Linux, macOS and Windows.
 *
 * Code is written to fresh pages which then become executable and read-only:
 * no page is ever writable and executable at once, as hardened systems demand.
 * The pages stay until the process ends; all threads may call into them.
 *
 * @module
 */

import { C_LIBRARIES, openFirst } from "./system_library.ts";

/** Where code lies, for `Deno.UnsafePointer.create`. */
export type CodeAddress = bigint;

/** PROT_READ | PROT_WRITE, and PROT_READ | PROT_EXEC; POSIX. */
const READ_WRITE = 3, READ_EXECUTE = 5;
/** MAP_PRIVATE | MAP_ANONYMOUS, whose second bit each system chose anew. */
const MAP_FLAGS = { linux: 0x22, darwin: 0x1002 };
/** MEM_COMMIT | MEM_RESERVE, PAGE_READWRITE, PAGE_EXECUTE_READ; Windows. */
const COMMIT_RESERVE = 0x3000, PAGE_READ_WRITE = 4, PAGE_EXECUTE_READ = 0x20;

/**
 * Copies `code` to pages of its own and makes them executable.
 *
 * @throws {Error} If the system has no such call, or refuses it.
 */
export function makeExecutable(code: Uint8Array<ArrayBuffer>): CodeAddress {
  const page = Deno.build.os === "windows"
    ? windowsPages(code)
    : posixPages(code);
  return Deno.UnsafePointer.value(page);
}

function posixPages(code: Uint8Array<ArrayBuffer>): Deno.PointerObject {
  const { symbols } = openFirst(C_LIBRARIES, {
    mmap: {
      parameters: ["pointer", "usize", "i32", "i32", "i32", "i64"],
      result: "pointer",
    },
    mprotect: { parameters: ["pointer", "usize", "i32"], result: "i32" },
  });
  const size = BigInt(code.length);
  const flags = MAP_FLAGS[Deno.build.os === "darwin" ? "darwin" : "linux"];
  const page = symbols.mmap(null, size, READ_WRITE, flags, -1, 0n);
  // MAP_FAILED is -1; a null pointer is never given either.
  if (page === null || Deno.UnsafePointer.value(page) === 2n ** 64n - 1n) {
    throw new Error("mmap gave no memory");
  }
  fill(page, code);
  if (symbols.mprotect(page, size, READ_EXECUTE) !== 0) {
    throw new Error("mprotect refused to make memory executable");
  }
  return page;
}

function windowsPages(code: Uint8Array<ArrayBuffer>): Deno.PointerObject {
  const { symbols } = Deno.dlopen("kernel32.dll", {
    VirtualAlloc: {
      parameters: ["pointer", "usize", "u32", "u32"],
      result: "pointer",
    },
    VirtualProtect: {
      parameters: ["pointer", "usize", "u32", "buffer"],
      result: "i32",
    },
  });
  const size = BigInt(code.length);
  const page = symbols.VirtualAlloc(
    null,
    size,
    COMMIT_RESERVE,
    PAGE_READ_WRITE,
  );
  if (page === null) throw new Error("VirtualAlloc gave no memory");
  fill(page, code);
  const before = new Uint32Array(1);
  if (symbols.VirtualProtect(page, size, PAGE_EXECUTE_READ, before) === 0) {
    throw new Error("VirtualProtect refused to make memory executable");
  }
  return page;
}

function fill(page: Deno.PointerObject, code: Uint8Array): void {
  const bytes = Deno.UnsafePointerView.getArrayBuffer(page, code.length);
  new Uint8Array(bytes).set(code);
}
