/**
 * How many steps a device makes between two looks at its log.
 *
 * A look costs the device what the read takes, and the time until the next
 * step has reached it. So looks are as far apart as makes that less than a
 * fiftieth, as far as the log stays no more than half a second behind. A
 * device that has done its work when `run` resolves loses nothing by being
 * looked at: it gets a look per step.
 *
 * @module
 */

import type { Executable } from "../backend/backend.ts";
import { LOG_ROWS } from "./step_log.ts";

/** A look costs at most one part in so many. */
const LOOK_SHARE = 50;
/** Nobody sees a difference between news every tenth of a second … */
const SHORTEST_MS = 100;
/** … but after more than half a second it looks as if nothing went on. */
const LONGEST_MS = 500;
/** Before the speed is known, and when it has risen. */
const GROWTH = 4;

/** Follows the speed of the steps; see the module. */
export class ReadPace {
  readonly #executable: Executable;
  readonly #now: () => number;
  #steps = 1;
  #windowMs: number | null = null;

  /** @param now A clock in milliseconds. */
  constructor(
    executable: Executable,
    { now = () => performance.now() }: { now?: () => number } = {},
  ) {
    this.#executable = executable;
    this.#now = now;
  }

  /** Steps until the next look, if nothing is due before. */
  get steps(): number {
    return this.#executable.isQueued ? this.#steps : 1;
  }

  /** `count` steps and the look at them have taken `ms`. */
  async record(count: number, ms: number): Promise<void> {
    if (!this.#executable.isQueued) return;
    this.#windowMs ??= await this.#chooseWindow();
    const fitting = Math.floor(this.#windowMs * count / ms);
    const most = Math.min(LOG_ROWS, GROWTH * this.#steps);
    this.#steps = Math.max(1, Math.min(most, fitting));
  }

  /** Looks once more, now that there is nothing to wait for. */
  async #chooseWindow(): Promise<number> {
    const start = this.#now();
    await this.#executable.read("log");
    const lookMs = this.#now() - start;
    return Math.max(SHORTEST_MS, Math.min(LONGEST_MS, LOOK_SHARE * lookMs));
  }
}
