/**
 * What the pool and its workers say to each other through shared words.
 *
 * A command is: the pool fills in the words, raises EPOCH and wakes the
 * workers; each does its part and raises FINISHED; the last one sets DONE to
 * the epoch and wakes the pool. A worker that failed leaves its reason behind.
 *
 * @module
 */

import type { KernelCode } from "./kernel_instance.ts";

/** Indices into the words, an Int32Array on shared memory. */
export const WORD = {
  /** Number of the current command; workers sleep on it. */
  epoch: 0,
  /** One of {@linkcode COMMAND}. */
  command: 1,
  /** Which program to run. */
  program: 2,
  /** Address of the phase's first record. */
  record: 3,
  /** How many records. */
  count: 4,
  /** Address of the profile, or 0. */
  profile: 5,
  /** How many workers are through with the command. */
  finished: 6,
  /** Epoch of the last command that all are through with. */
  done: 7,
  /** 0, or 1 + the index of the call that failed, or -1 outside of calls. */
  failed: 8,
  /** Bytes of the reason, which follows. */
  reasonBytes: 9,
  reason: 10,
} as const;

/** What a worker is to do. */
export const COMMAND = {
  /** Run a phase. */
  run: 1,
  /** Go back to the event loop, where a {@linkcode PoolMessage} waits. */
  readMessage: 2,
  /** Go back to the event loop and stay there, to be terminated. */
  leave: 3,
} as const;

/** Longest reason that is kept, in bytes. */
export const REASON_BYTES = 1000;

/** Size of the shared words. */
export const CONTROL_BYTES = 4 * WORD.reason + REASON_BYTES;

/** What a worker is given when it starts. */
export interface WorkerStart {
  readonly control: SharedArrayBuffer;
  readonly code: KernelCode;
  readonly thread: number;
  readonly threads: number;
  /** How often a waiting thread looks before it sleeps. */
  readonly spinLimit: number;
  /** Seed of pauses for a test, or 0. */
  readonly pauses: number;
}

/** Programs that a worker is to keep ready, or to forget. */
export type PoolMessage =
  | {
    readonly kind: "load";
    readonly program: number;
    readonly memory: WebAssembly.Memory;
    readonly sharedScratch: number;
    readonly threadScratch: number;
  }
  | { readonly kind: "unload"; readonly program: number };
