/**
 * What one thread knows: its number, and how threads share work.
 *
 * All threads run the same program over the same memory; each instance of the
 * module keeps its own copy of these globals. A call is one stage or several.
 * Threads take the chunks of a stage one by one, and the next stage begins when
 * the last chunk is done, not when the last thread has come: one that the
 * system keeps from running holds up nobody, unless it does so amid a chunk.
 * When it runs again, it finds nothing to take until it has caught up.
 *
 * So a thread may be behind the others while it holds no chunk, and what it
 * reads of tensors then may be anything: which stages there are, and of how
 * many chunks, must follow from the records alone.
 *
 * Who computes a chunk varies from run to run, what is computed does not. A
 * thread that must wait spins for a few microseconds, the usual time, and then
 * sleeps.
 *
 * @module
 */

import { initConstants } from "./constants";

/** Words shared by all threads, each in a cache line of its own. */
const STAGE: usize = 64;
/** Chunks done since the program began. */
const DONE: usize = 128;
const SLEEPERS: usize = 192;
/**
 * The ticket of chunks taken in order: an i64, the number of a stage above and
 * its next chunk below. One of another stage counts as 0.
 */
const TICKET: usize = 256;
/** Always 0: to sleep on. */
const NOTHING: usize = 320;

/** The stage after a failure: nobody takes chunks, or waits. */
const ABORTED: i32 = -1;

/** Elements per cache line. */
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
/** Before that: a ticket for each thread's share of the chunks. */
let shareTickets: usize = 0;
/** Bytes from one to the next: a cache line. */
const TICKET_BYTES: usize = 64;
let spins: i32 = 0;

/** Bytes of the tickets of `count` threads. */
export function ticketBytes(count: i32): usize {
  return <usize> count * TICKET_BYTES;
}

/**
 * Sets the globals and the constants; once per instance, before any thread
 * makes a call.
 */
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
  shareTickets = shared;
  sharedScratch = shared + ticketBytes(count);
  nativeArgs = own;
  threadScratch = own + NATIVE_ARGS_BYTES;
  stage = atomic.load<i32>(STAGE);
  before = atomic.load<i32>(DONE);
  initConstants();
}

/** The stage that this thread is at; after the largest comes 0. */
let stage: i32 = 0;
/** How many chunks it has; 0 until the first is asked for. */
let chunks: i32 = 0;
/** How many of them this thread has taken. */
let taken: i32 = 0;
/** What `DONE` was when all stages before this one were done. */
let before: i32 = 0;

/** The range that this thread has taken. */
export let rangeStart: i32 = 0;
export let rangeEnd: i32 = 0;

/**
 * Takes a chunk of this stage, which has `n`; each is taken by one thread, in
 * ascending order.
 *
 * @returns Its number, or `n` when there is none left.
 */
export function nextChunk(n: i32): i32 {
  chunks = n;
  mayPause();
  const chunk = take(TICKET, n);
  return chunk < 0 ? n : chunk;
}

/**
 * The same, but a thread begins with chunks of its own share: memory is read
 * in long runs, and some of it is in this thread's caches. Only then does it
 * help the others. A stage takes all its chunks in one of these two ways.
 */
export function nextOfShare(n: i32): i32 {
  chunks = n;
  mayPause();
  for (let i = 0; i < nThreads; i++) {
    const owner = (thread + i) % nThreads, start = shareStart(n, owner);
    const count = shareStart(n, owner + 1) - start;
    const chunk = take(shareTickets + ticketBytes(owner), count);
    if (chunk >= 0) return start + chunk;
  }
  return n;
}

/** Takes the next of `count` chunks by a ticket, or -1. */
function take(ticket: usize, count: i32): i32 {
  let seen = atomic.load<i64>(ticket);
  // While a chunk of it is left, a stage is that of all threads. So if that is
  // seen after the ticket, and the ticket has not changed, there was one.
  while (atomic.load<i32>(STAGE) == stage) {
    const next = <i32> (seen >> 32) == stage ? <i32> seen : 0;
    if (next >= count) return -1;
    const then = <i64> stage << 32 | next + 1;
    mayPause();
    const found = atomic.cmpxchg<i64>(ticket, seen, then);
    if (found == seen) {
      taken++;
      mayPause();
      return next;
    }
    seen = found;
  }
  return -1;
}

/**
 * Ends this thread's part in a stage, without waiting for others.
 *
 * @returns Whether it did the last chunk of it.
 */
export function leave(): bool {
  const all = chunks, own = taken, now = stage;
  if (all == 0) return true; // nothing was to be done
  chunks = taken = 0;
  before += all;
  stage = now == i32.MAX_VALUE ? 0 : now + 1;
  if (own == 0 || atomic.add<i32>(DONE, own) + own != before) return false;
  mayPause();
  // Unless another thread has aborted meanwhile.
  atomic.cmpxchg<i32>(STAGE, now, stage);
  mayPause();
  if (atomic.load<i32>(SLEEPERS) > 0) atomic.notify(STAGE, -1);
  return true;
}

/**
 * Ends a stage: waits until all its chunks are done.
 *
 * @returns Whether this thread did the last.
 */
export function barrier(): bool {
  const now = stage;
  if (leave()) return true;
  for (let i = 0; i < spins; i++) {
    if (atomic.load<i32>(STAGE) != now) return false;
  }
  atomic.add<i32>(SLEEPERS, 1);
  mayPause();
  while (atomic.load<i32>(STAGE) == now) atomic.wait<i32>(STAGE, now, -1);
  atomic.sub<i32>(SLEEPERS, 1);
  return false;
}

/** Whether a thread has failed: the others leave after their call. */
@inline
export function isAborted(): bool {
  return atomic.load<i32>(STAGE) == ABORTED;
}

/** A thread that failed releases the others from their barrier. */
export function abort(): void {
  atomic.store<i32>(STAGE, ABORTED);
  atomic.notify(STAGE, -1);
}

/** State of the random numbers that pauses follow; 0 for no pauses. */
let pauses: u32 = 0;

/** From now on this thread stops at random, as if others kept it out: a test. */
export function pauseAtRandom(seed: u32): void {
  pauses = seed;
}

/** Where another thread may come between, if this one is kept from running. */
@inline
function mayPause(): void {
  if (pauses) pause();
}

/** Once in 16 times: up to 2 ms. */
function pause(): void {
  pauses ^= pauses << 13;
  pauses ^= pauses >> 17;
  pauses ^= pauses << 5;
  if ((pauses & 15) == 0) atomic.wait<i32>(NOTHING, 0, pauses >> 11);
}

/** Elements of a chunk, where each takes little time: some 5 us. */
const CHUNK: i32 = 16384;

/**
 * Takes some of `n` things: a multiple of `step`, some `most` of them or fewer,
 * so that all threads' shares are as many chunks. False if none is left.
 */
export function takeRange(n: i32, most: i32, step: i32): bool {
  const size = chunkSize(n, most, step);
  const count = (n + size - 1) / size, chunk = nextOfShare(count);
  if (chunk == count) return false;
  rangeStart = chunk * size;
  rangeEnd = min(n, rangeStart + size);
  return true;
}

/** How many of `n` things are a chunk; see {@linkcode takeRange}. */
export function chunkSize(n: i32, most: i32, step: i32): i32 {
  const steps = (n + step - 1) / step;
  const share = max(1, (steps + nThreads - 1) / nThreads);
  const parts = (share * step + most - 1) / most;
  return (share + parts - 1) / parts * step;
}

/** Takes some of `rows` rows of `width` elements. */
export function takeRows(rows: i32, width: i32): bool {
  return takeRange(rows, max(1, CHUNK / width), 1);
}

/** Takes some of `n` elements: whole cache lines, so nobody shares one. */
export function takeElements(n: i32): bool {
  return takeRange(n, CHUNK, LINE);
}

/** Where a thread's share of `n` chunks begins; it ends at the next's. */
@inline
function shareStart(n: i32, owner: i32): i32 {
  return <i32> (<i64> n * owner / nThreads);
}
