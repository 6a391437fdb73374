/**
 * Training batches, the next ones made while the device works.
 *
 * A batch is a pure function of its position, so what is made ahead is the
 * same bits; what turns out not to be wanted is dropped.
 *
 * @module
 */

import type { Batch, Batches } from "../data/dataset.ts";

/**
 * Turns of the microtask queue after which the workers of a CPU have begun; a
 * GPU begins at once. Until then, work here would hold up the device.
 */
const TURNS_TO_BEGIN = 4;

/** Gives batches one after another. */
export class BatchFeed {
  readonly #batches: Batches;
  readonly #ahead: number;
  readonly #now: () => number;
  /** Made ahead, in the order of their positions. */
  readonly #made: { cursor: number; batch: Promise<Batch> }[] = [];
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
    this.#waitedMs += this.#now() - startMs;
    return batch;
  }

  /** Makes the batches from that position on while the device is at work. */
  async makeAhead(cursor: number): Promise<void> {
    if (this.#ahead === 0) return;
    for (let i = 0; i < TURNS_TO_BEGIN; i++) await null;
    for (let at = cursor; at < cursor + this.#ahead; at++) {
      if (this.#made.some((one) => one.cursor === at)) continue;
      const batch = this.#batches.at(at);
      batch.catch(() => {}); // who takes it sees the failure
      this.#made.push({ cursor: at, batch });
    }
  }

  /** Milliseconds that takers have waited since this was asked last. */
  takeWaitedMs(): number {
    const waitedMs = this.#waitedMs;
    this.#waitedMs = 0;
    return waitedMs;
  }
}
