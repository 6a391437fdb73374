/**
 * The shared memories of a backend, used again and again.
 *
 * A memory that workers have seen lives until their engines collect garbage,
 * which sleeping workers never do. So memories are not dropped: what one
 * program leaves is grown to the size of the next.
 *
 * @module
 */

import { UserError } from "../../base/errors.ts";
import { formatBytes, formatUnequalBytes } from "../../base/format.ts";
import { preferHugePages } from "./huge_pages.ts";

/** Bytes of a WebAssembly page. */
const PAGE_BYTES = 65536;
/** Addresses of 32 bits reach this far. */
const MOST_PAGES = 65536;
/** The largest program. */
export const MOST_BYTES = MOST_PAGES * PAGE_BYTES;

/** Hands out shared memories. */
export class MemoryStore {
  readonly #free: WebAssembly.Memory[] = [];

  /** A memory of any size; what is in it is left from its last use. */
  take(): WebAssembly.Memory {
    const largest = this.#free.pop();
    if (largest) return largest;
    try {
      return new WebAssembly.Memory({
        initial: 1,
        maximum: MOST_PAGES,
        shared: true,
      });
    } catch (cause) {
      throw outOfMemory(0, cause);
    }
  }

  /** Takes a memory back that no program uses any more. */
  give(memory: WebAssembly.Memory): void {
    this.#free.push(memory);
    this.#free.sort((a, b) => a.buffer.byteLength - b.buffer.byteLength);
  }
}

/**
 * Makes a memory at least so large. Its `buffer` is another one afterwards.
 *
 * @throws {UserError} If 32-bit addresses or the system do not suffice.
 */
export function growTo(memory: WebAssembly.Memory, bytes: number): void {
  if (bytes > MOST_BYTES) {
    const [needed, most] = formatUnequalBytes(bytes, MOST_BYTES);
    throw new UserError(
      `Cannot fit the program in memory: it needs ${needed}, the CPU backend ` +
        `can address ${most}`,
      { hint: "use a smaller batchSize, seqLen or model" },
    );
  }
  const missing = bytes - memory.buffer.byteLength;
  if (missing <= 0) return;
  try {
    memory.grow(Math.ceil(missing / PAGE_BYTES));
  } catch (cause) {
    throw outOfMemory(bytes, cause);
  }
  preferHugePages(memory);
}

function outOfMemory(bytes: number, cause: unknown): UserError {
  return new UserError(`Cannot allocate ${formatBytes(bytes)} of memory`, {
    hint: "close other programs, or use a smaller batchSize, seqLen or model",
    cause,
  });
}
