/**
 * Where everything of a program lies in one shared memory.
 *
 *     0        words of all threads (kernels/threads.ts); 0 means "absent"
 *     512      constants (kernels/constants.ts)
 *     2048     records of all calls, phase after phase (encode.ts)
 *     …        profile: f64 times of the longest phase; see interpreter.ts
 *     …        persistent tensors, then the arena of temporaries
 *     …        tickets, scratch that all threads share, then each thread's own
 *
 * @module
 */

import type { PlacedTensor, Program } from "../../graph/program.ts";
import { recordBytes, writeRecord } from "./encode.ts";
import { instantiate, type KernelCode } from "./kernel_instance.ts";
import { growTo } from "./memory_store.ts";

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

const WORDS_BYTES = 512;
const RECORDS = 2048;
/** No two threads' scratch in one page, nor in one cache line. */
const SCRATCH_ALIGNMENT = 4096;
const ALIGNMENT = 64;

/** What a program is laid out in, and for whom. */
interface Place {
  readonly code: KernelCode;
  readonly memory: WebAssembly.Memory;
  readonly threads: number;
}

/**
 * Lays out a program in `memory`, which grows as needed: writes all records,
 * and zeros to the persistent tensors.
 *
 * @throws {UserError} If the memory cannot become large enough.
 */
export function layOut(program: Program, place: Place): MemoryLayout {
  const { memory } = place;
  const { tickets, ...layout } = findPlaces(program, place);
  const { persistent, arena, sharedScratch, totalBytes } = layout;
  const used = memory.buffer.byteLength; // what grows is zero already
  growTo(memory, totalBytes);
  const bytes = new Uint8Array(memory.buffer);
  bytes.fill(0, 0, WORDS_BYTES);
  bytes.fill(0, persistent, Math.min(arena, used));
  bytes.fill(0, sharedScratch, sharedScratch + tickets);
  return layout;
}

/**
 * Writes all records, for which `memory` grows; the rest has yet to be made.
 *
 * @returns Where everything will lie, and the bytes of tickets.
 */
export function findPlaces(
  program: Program,
  { code, memory, threads }: Place,
): MemoryLayout & { tickets: number } {
  // 1. Sizes that are known from the program alone.
  const phases = new Map<string, PhaseLayout>();
  let end = RECORDS, longest = 0;
  for (const [phase, calls] of Object.entries(program.phases)) {
    phases.set(phase, { record: end, count: calls.length });
    for (const call of calls) end += recordBytes(call);
    longest = Math.max(longest, calls.length);
  }
  const profile = end;
  const times = 1 + longest * (1 + threads);
  const persistent = align(profile + 8 * times, ALIGNMENT);
  const arena = align(persistent + program.persistentBytes, ALIGNMENT);
  const sharedScratch = align(arena + program.arenaBytes, ALIGNMENT);

  // 2. Records; the kernels say what scratch each call needs.
  growTo(memory, profile);
  const view = new DataView(memory.buffer);
  const kernels = instantiate(code, memory);
  const addressOf = ({ place: { region, offset } }: PlacedTensor) =>
    (region === "persistent" ? persistent : arena) + offset;
  const tickets = kernels.ticketBytes(threads);
  let shared = 0, own = 0, at = RECORDS;
  for (const calls of Object.values(program.phases)) {
    for (const call of calls) {
      writeRecord(view, at, { call, addressOf });
      shared = Math.max(shared, kernels.sharedScratchBytes(at) >>> 0);
      own = Math.max(own, kernels.threadScratchBytes(at) >>> 0);
      at += recordBytes(call);
    }
  }
  const threadScratch = align(
    sharedScratch + tickets + shared,
    SCRATCH_ALIGNMENT,
  );
  const threadScratchBytes = align(own + ALIGNMENT, SCRATCH_ALIGNMENT);
  const totalBytes = threadScratch + threads * threadScratchBytes;
  return {
    phases,
    profile,
    persistent,
    arena,
    sharedScratch,
    threadScratch,
    threadScratchBytes,
    totalBytes,
    tickets,
  };
}

function align(bytes: number, alignment: number): number {
  return Math.ceil(bytes / alignment) * alignment;
}
