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
 * A batch that is in memory takes a tenth of a millisecond for 8 windows, and
 * 4 for 512; one that took longer came from a slow disk.
 */
const SLOW_MS = 5;
/** So many are made aside then; the next one shows whether it still is. */
const ASIDE_IN_A_ROW = 64;

/** Gives batches one after another. */
export class BatchFeed {
  readonly #batches: Batches;
  readonly #ahead: number;
  readonly #now: () => number;
  /** Made ahead, in the order of their positions. */
  readonly #made: { cursor: number; batch: Promise<Batch> }[] = [];
  /** Those that are not there yet, wanted or not. */
  readonly #making = new Set<Promise<Batch>>();
  /** How many are to be made aside. */
  #asideLeft = 0;
  /** What takers waited since the device answered last, and before that. */
  #newWaitedMs = 0;
  #waitedMs = 0;

  /**
   * @param options.ahead How many to make ahead.
   * @param options.now A clock in milliseconds, for tests.
   */
  constructor(
    batches: Batches,
    { ahead, now = () => performance.now() }: {
      ahead: number;
      now?: () => number;
    },
  ) {
    this.#batches = batches;
    this.#ahead = ahead;
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

  /** Waits for all that is being made; the files can be closed then. */
  async end(): Promise<void> {
    await Promise.allSettled(this.#making);
  }

  #make(cursor: number): Promise<Batch> {
    const aside = this.#asideLeft > 0;
    const startMs = this.#now();
    const batch = this.#batches.at(cursor, { aside });
    if (aside) this.#asideLeft--;
    else if (this.#now() - startMs > SLOW_MS) this.#asideLeft = ASIDE_IN_A_ROW;
    this.#making.add(batch);
    const made = () => this.#making.delete(batch);
    batch.then(made, made); // who takes it sees a failure
    return batch;
  }
}
