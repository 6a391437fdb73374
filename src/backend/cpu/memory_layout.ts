/**
 * Where everything of a program lies in one shared memory.
 *
 *     0        words of the barrier (kernels/threads.ts); 0 means "absent"
 *     1024     records of all calls, phase after phase (encode.ts)
 *     …        profile: one f64 per call of the longest phase
 *     …        persistent tensors, then the arena of temporaries
 *     …        scratch that all threads share, then each thread's own
 *
 * @module
 */

import { UserError } from "../../base/errors.ts";
import { formatBytes } from "../../base/format.ts";
import type { PlacedTensor, Program } from "../../graph/program.ts";
import { recordBytes, writeRecord } from "./encode.ts";
import { allocate, instantiate, PAGE_BYTES } from "./kernels.ts";

/** Addresses in bytes from the start of the memory. */
export interface MemoryLayout {
  readonly phases: ReadonlyMap<string, PhaseLayout>;
  readonly profile: number;
  readonly persistent: number;
  readonly arena: number;
  readonly sharedScratch: number;
  readonly threadScratch: number;
  /** From one thread's scratch to the next. */
  readonly threadScratchBytes: number;
  readonly totalBytes: number;
}

/** The records of one phase. */
export interface PhaseLayout {
  readonly record: number;
  readonly count: number;
}

const RECORDS = 1024;
/** No two threads' scratch in one page, nor in one cache line. */
const SCRATCH_ALIGNMENT = 4096;
const ALIGNMENT = 64;

/** Addresses of 32 bits reach this far. */
const MOST_BYTES = 65536 * PAGE_BYTES;

/**
 * Lays out a program, and allocates its memory with all records in it.
 *
 * @throws {UserError} If 32-bit addresses or the system's memory do not
 * suffice.
 */
export function layOut(
  program: Program,
  { module, threads }: { module: WebAssembly.Module; threads: number },
): { layout: MemoryLayout; memory: WebAssembly.Memory } {
  // 1. Sizes that are known from the program alone.
  const phases = new Map<string, PhaseLayout>();
  let end = RECORDS, longest = 0;
  for (const [phase, calls] of Object.entries(program.phases)) {
    phases.set(phase, { record: end, count: calls.length });
    for (const call of calls) end += recordBytes(call);
    longest = Math.max(longest, calls.length);
  }
  const profile = end;
  const persistent = align(profile + 8 * longest, ALIGNMENT);
  const arena = align(persistent + program.persistentBytes, ALIGNMENT);
  const sharedScratch = align(arena + program.arenaBytes, ALIGNMENT);

  // 2. Records; the kernels say what scratch each call needs.
  const records = allocate(profile);
  const view = new DataView(records.buffer);
  const kernels = instantiate(module, records);
  const addressOf = ({ place: { region, offset } }: PlacedTensor) =>
    (region === "persistent" ? persistent : arena) + offset;
  let shared = 0, own = 0, at = RECORDS;
  for (const calls of Object.values(program.phases)) {
    for (const call of calls) {
      writeRecord(view, at, { call, addressOf });
      shared = Math.max(shared, kernels.sharedScratchBytes(at) >>> 0);
      own = Math.max(own, kernels.threadScratchBytes(at) >>> 0);
      at += recordBytes(call);
    }
  }
  const threadScratch = align(sharedScratch + shared, SCRATCH_ALIGNMENT);
  const threadScratchBytes = align(own + ALIGNMENT, SCRATCH_ALIGNMENT);
  const totalBytes = threadScratch + threads * threadScratchBytes;

  // 3. The memory itself.
  const memory = allocateOrExplain(totalBytes);
  new Uint8Array(memory.buffer, RECORDS, at - RECORDS).set(
    new Uint8Array(records.buffer, RECORDS, at - RECORDS),
  );
  const layout = {
    phases,
    profile,
    persistent,
    arena,
    sharedScratch,
    threadScratch,
    threadScratchBytes,
    totalBytes,
  };
  return { layout, memory };
}

function allocateOrExplain(bytes: number): WebAssembly.Memory {
  if (bytes > MOST_BYTES) {
    throw new UserError(
      `Cannot fit the program in memory: it needs ${formatBytes(bytes)}, ` +
        `the CPU backend can address ${formatBytes(MOST_BYTES)}`,
      { hint: "use a smaller batchSize, seqLen or model" },
    );
  }
  try {
    return allocate(bytes);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new UserError(
      `Cannot allocate ${formatBytes(bytes)} of memory`,
      { hint: "use a smaller batchSize, seqLen or model", cause },
    );
  }
}

function align(bytes: number, alignment: number): number {
  return Math.ceil(bytes / alignment) * alignment;
}
