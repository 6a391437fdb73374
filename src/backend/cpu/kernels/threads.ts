/**
 * What one thread knows: its number, the barrier, and how work is shared out.
 *
 * All threads run the same program over the same memory; each instance of the
 * module keeps its own copy of these globals. The barrier counts arrivals and
 * starts a new generation when all are there. Waiting threads spin for a few
 * microseconds, the usual time between two calls, and then sleep.
 *
 * @module
 */

import { initConstants } from "./constants";

/** Words shared by all threads, each in a cache line of its own. */
const ARRIVED: usize = 64;
const GENERATION: usize = 128;
const SLEEPERS: usize = 192;
const NEXT_TILE: usize = 256;
const ABORTED: usize = 320;

/** Elements per cache line: shares begin at a multiple, see `shareOf`. */
export const LINE: i32 = 16;

/** This thread, from 0. */
export let thread: i32 = 0;
/** How many threads there are. */
export let nThreads: i32 = 1;
/** Memory that only this thread uses while a call runs. */
export let threadScratch: usize = 0;
/** Before that: the arguments of native kernels. */
export let nativeArgs: usize = 0;
export const NATIVE_ARGS_BYTES: usize = 64;
/** Memory that all threads may use while a call runs. */
export let sharedScratch: usize = 0;
let spins: i32 = 0;

/** Sets the globals and the constants; once per instance, before any call. */
export function initThread(
  index: i32,
  count: i32,
  spinLimit: i32,
  shared: usize,
  own: usize,
): void {
  thread = index;
  nThreads = count;
  spins = spinLimit;
  sharedScratch = shared;
  nativeArgs = own;
  threadScratch = own + NATIVE_ARGS_BYTES;
  initConstants();
}

/**
 * Waits until all threads are here; tiles then count from 0 again.
 *
 * @returns Whether this thread was the last to come.
 */
export function barrier(): bool {
  if (nThreads == 1) {
    store<i32>(NEXT_TILE, 0);
    return true;
  }
  // In this order: an abort after the first line changes the generation.
  const generation = atomic.load<i32>(GENERATION);
  if (isAborted()) return false;
  if (atomic.add<i32>(ARRIVED, 1) == nThreads - 1) {
    atomic.store<i32>(ARRIVED, 0);
    atomic.store<i32>(NEXT_TILE, 0);
    atomic.add<i32>(GENERATION, 1);
    if (atomic.load<i32>(SLEEPERS) > 0) atomic.notify(GENERATION, -1);
    return true;
  }
  for (let i = 0; i < spins; i++) {
    if (atomic.load<i32>(GENERATION) != generation) return false;
  }
  atomic.add<i32>(SLEEPERS, 1);
  while (atomic.load<i32>(GENERATION) == generation) {
    atomic.wait<i32>(GENERATION, generation, -1);
  }
  atomic.sub<i32>(SLEEPERS, 1);
  return false;
}

/** Sets the shared words for a new phase; while no thread runs. */
export function resetThreads(): void {
  store<i32>(ARRIVED, 0);
  store<i32>(SLEEPERS, 0);
  store<i32>(NEXT_TILE, 0);
  store<i32>(ABORTED, 0);
}

/** Whether a thread has failed: the others leave at the next barrier. */
@inline
export function isAborted(): bool {
  return atomic.load<i32>(ABORTED) != 0;
}

/** A thread that failed releases the others from their barrier. */
export function abort(): void {
  atomic.store<i32>(ABORTED, 1);
  atomic.add<i32>(GENERATION, 1);
  atomic.notify(GENERATION, -1);
}

/**
 * Takes the next tile of this call; the caller stops when it is past the last.
 * Who computes a tile varies from run to run, what is computed does not.
 */
@inline
export function nextTile(): i32 {
  return atomic.add<i32>(NEXT_TILE, 1);
}

/** Where this thread's share of `n` rows begins; it ends at the next's. */
@inline
export function shareStart(n: i32, index: i32): i32 {
  return <i32> (<i64> n * index / nThreads);
}

/** The same for single elements: whole cache lines, so nobody shares one. */
@inline
export function lineStart(n: i32, index: i32): i32 {
  if (index == nThreads) return n;
  return shareStart((n + LINE - 1) / LINE, index) * LINE;
}
