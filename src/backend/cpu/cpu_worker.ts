/**
 * One thread of the CPU backend.
 *
 * It sleeps on a shared word until there is a command, and runs phases
 * entirely inside WebAssembly: no message per phase or per call. Only to get
 * or forget a program's memory does it go back to its event loop.
 *
 * @module
 */

/// <reference no-default-lib="true" />
/// <reference lib="deno.worker" />

import { parentPort, workerData } from "node:worker_threads";
import { instantiate, type KernelExports } from "./kernel_instance.ts";
import {
  COMMAND,
  type PoolMessage,
  REASON_BYTES,
  WORD,
  type WorkerStart,
} from "./pool_protocol.ts";

const start = workerData as WorkerStart;
const { control, code, thread, threads, spinLimit } = start;
const words = new Int32Array(control);
const programs = new Map<number, KernelExports>();
let epoch = 0;

parentPort!.on("message", (message: PoolMessage) => {
  attempt(() => {
    if (message.kind === "unload") programs.delete(message.program);
    else load(message);
  });
  finish();
  serve();
});
serve();

/** Obeys commands until one needs the event loop. */
function serve(): void {
  for (;;) {
    Atomics.wait(words, WORD.epoch, epoch);
    const next = Atomics.load(words, WORD.epoch);
    if (next === epoch) continue;
    epoch = next;
    const command = words[WORD.command];
    if (command === COMMAND.readMessage) return;
    if (command === COMMAND.run) runPhase();
    finish();
    if (command === COMMAND.leave) return;
  }
}

function load(message: Extract<PoolMessage, { kind: "load" }>): void {
  const kernels = instantiate(code, message.memory);
  kernels.initThread(
    thread,
    threads,
    spinLimit,
    message.sharedScratch,
    message.threadScratch,
  );
  kernels.pauseAtRandom(start.pauses);
  programs.set(message.program, kernels);
}

function runPhase(): void {
  const kernels = programs.get(words[WORD.program])!;
  attempt(() => {
    kernels.runPhase(
      words[WORD.record],
      words[WORD.count],
      words[WORD.profile],
    );
  }, kernels);
}

/** Does a thing; leaves the reason behind, and frees the others, on failure. */
function attempt(action: () => void, kernels?: KernelExports): void {
  try {
    action();
  } catch (error) {
    const at = kernels ? 1 + kernels.callIndex() : -1;
    // The first failure is the cause; those of other threads may follow.
    if (Atomics.compareExchange(words, WORD.failed, 0, at) === 0) {
      const text = error instanceof Error ? error.message : String(error);
      const bytes = new TextEncoder().encode(text).subarray(0, REASON_BYTES);
      new Uint8Array(control, 4 * WORD.reason).set(bytes);
      words[WORD.reasonBytes] = bytes.length;
    }
    kernels?.abort();
  }
}

/** Counts this thread as through; the last one wakes the pool. */
function finish(): void {
  if (Atomics.add(words, WORD.finished, 1) < threads - 1) return;
  Atomics.store(words, WORD.done, epoch);
  Atomics.notify(words, WORD.done);
}
