/**
 * Training batches, the next ones made while the device works.
 *
 * A batch is a pure function of its position, so what is made ahead is the
 * same bits; what turns out not to be wanted is dropped. Where the disk is slow,
 * the thread that gives the device its work no longer waits for it.
 *
 * @module
 */

import type { Batch, Batches } from "../data/dataset.ts";

/**
 * Turns of the microtask queue after which the workers of a CPU have begun; a
 * GPU begins at once. Until then, work here would hold up the device.
 */
const TURNS_TO_BEGIN = 4;

/**
 * A batch takes so long from a slow disk, by itself and for each of its windows.
 * From memory it takes 0.1 ms for 8 windows and 1 to 4 for 512; aside 0.07 ms
 * for each window, so that what is hardly slow is read sooner at once.
 */
const SLOW_MS = 5, SLOW_WINDOW_MS = 0.1;
/** A single one may have been held up by the garbage, or other programs. */
const SLOW_IN_A_ROW = 2;
/** So many are made aside then; the next one shows whether it still is. */
const ASIDE_IN_A_ROW = 64;

/** Gives batches one after another. */
export class BatchFeed {
  readonly #batches: Batches;
  readonly #ahead: number;
  readonly #slowMs: number;
  readonly #now: () => number;
  /** Made ahead, in the order of their positions. */
  readonly #made: { cursor: number; batch: Promise<Batch> }[] = [];
  /** Those that are not there yet, wanted or not. */
  readonly #making = new Set<Promise<Batch>>();
  /** How many of the last that were made at once were slow. */
  #slowInARow = 0;
  /** How many are to be made aside. */
  #asideLeft = 0;
  /** The last of those, which are made one after the other. */
  #asideTurn: Promise<unknown> = Promise.resolve();
  #ended = false;
  /** What takers waited since the device answered last, and before that. */
  #newWaitedMs = 0;
  #waitedMs = 0;

  /**
   * @param options.ahead How many to make ahead.
   * @param options.batchSize Windows of a batch.
   * @param options.now A clock in milliseconds, for tests.
   */
  constructor(
    batches: Batches,
    { ahead, batchSize, now = () => performance.now() }: {
      ahead: number;
      batchSize: number;
      now?: () => number;
    },
  ) {
    this.#batches = batches;
    this.#ahead = ahead;
    this.#slowMs = Math.max(SLOW_MS, batchSize * SLOW_WINDOW_MS);
    this.#now = now;
  }

  /** The batch at that position. @throws What reading it throws. */
  async take(cursor: number): Promise<Batch> {
    const startMs = this.#now();
    if (this.#made[0]?.cursor !== cursor) this.#made.length = 0;
    const batch = await (this.#made.shift()?.batch ?? this.#batches.at(cursor));
    this.#newWaitedMs += this.#now() - startMs;
    return batch;
  }

  /** Makes the batches from that position on while the device is at work. */
  async makeAhead(cursor: number): Promise<void> {
    if (this.#ahead === 0) return;
    for (let i = 0; i < TURNS_TO_BEGIN; i++) await null;
    if (this.#ended) return;
    for (let at = cursor; at < cursor + this.#ahead; at++) {
      if (this.#made.some((one) => one.cursor === at)) continue;
      this.#made.push({ cursor: at, batch: this.#make(at) });
    }
  }

  /**
   * Waits for what the device answers to that many steps.
   *
   * One that takes its time was behind: each of the steps may have found it
   * still at work on the one before, and nobody waited for a batch then.
   */
  async settle<T>(steps: number, answer: () => Promise<T>): Promise<T> {
    const startMs = this.#now();
    const result = await answer();
    const behindMs = steps * (this.#now() - startMs);
    this.#waitedMs += Math.max(0, this.#newWaitedMs - behindMs);
    this.#newWaitedMs = 0;
    return result;
  }

  /** Milliseconds that the device has waited since this was asked last. */
  takeWaitedMs(): number {
    const waitedMs = this.#waitedMs;
    this.#waitedMs = 0;
    return waitedMs;
  }

  /**
   * Waits for what is being made, and makes nothing more; the files can be
   * closed then.
   */
  async end(): Promise<void> {
    this.#ended = true;
    await Promise.allSettled(this.#making);
  }

  #make(cursor: number): Promise<Batch> {
    const batch = this.#asideLeft > 0
      ? this.#makeAside(cursor)
      : this.#makeAtOnce(cursor);
    this.#making.add(batch);
    const made = () => this.#making.delete(batch);
    batch.then(made, made); // who takes it sees a failure
    return batch;
  }

  #makeAtOnce(cursor: number): Promise<Batch> {
    const startMs = this.#now();
    const batch = this.#batches.at(cursor);
    const isSlow = this.#now() - startMs > this.#slowMs;
    this.#slowInARow = isSlow ? this.#slowInARow + 1 : 0;
    if (this.#slowInARow >= SLOW_IN_A_ROW) this.#asideLeft = ASIDE_IN_A_ROW;
    return batch;
  }

  /** When those before it are there, as they are wanted sooner. */
  #makeAside(cursor: number): Promise<Batch> {
    this.#asideLeft--;
    const batch = this.#asideTurn.then(() => {
      if (this.#ended) throw new Error("Nobody wants this batch any more");
      return this.#batches.at(cursor, { aside: true });
    });
    this.#asideTurn = batch.catch(() => {});
    return batch;
  }
}
