/**
 * How much a device does between two looks at its results.
 *
 * A look costs the device what the read takes, and the time until more work
 * has reached it. So looks are as far apart as makes that a small part, as far
 * as people may wait for news. A device that has done its work when `run`
 * resolves loses nothing by being looked at: it gets a look per piece.
 *
 * @module
 */

import type { Executable } from "./backend.ts";

/** What decides about the time between two looks. */
export interface LookOptions {
  /** Read by a look; it is done once more to find its price. */
  readonly name: string;
  /** A look costs at most one part in so many, if `longestMs` allows. */
  readonly share: number;
  /** Nobody notices if news come no more often. */
  readonly shortestMs: number;
  /** After more than this it looks as if nothing went on. */
  readonly longestMs: number;
  /** Most pieces whose results the device keeps. */
  readonly most: number;
  /** A clock in milliseconds, for tests. */
  readonly now?: () => number;
}

/** Until the speed is known, and when it has risen. */
const GROWTH = 4;

/** Follows the speed of equal pieces of work; see the module. */
export class LookPace {
  readonly #executable: Pick<Executable, "isQueued" | "read">;
  readonly #options: LookOptions;
  readonly #now: () => number;
  #pieces = 1;
  #windowMs: number | null = null;

  constructor(
    executable: Pick<Executable, "isQueued" | "read">,
    options: LookOptions,
  ) {
    this.#executable = executable;
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  /** Pieces until the next look. */
  get pieces(): number {
    return this.#executable.isQueued ? this.#pieces : 1;
  }

  /** `count` pieces and the look at them have taken `ms`. */
  async record(count: number, ms: number): Promise<void> {
    if (!this.#executable.isQueued) return;
    this.#windowMs ??= await this.#chooseWindow();
    const fitting = Math.floor(this.#windowMs * count / ms);
    const most = Math.min(this.#options.most, GROWTH * this.#pieces);
    this.#pieces = Math.max(1, Math.min(most, fitting));
  }

  /** Looks once more, now that there is nothing to wait for. */
  async #chooseWindow(): Promise<number> {
    const { name, share, shortestMs, longestMs } = this.#options;
    const start = this.#now();
    await this.#executable.read(name);
    const lookMs = this.#now() - start;
    return Math.max(shortestMs, Math.min(longestMs, share * lookMs));
  }
}
