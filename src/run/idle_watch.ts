/**
 * Notices that the device has little to do, and says once what may help.
 *
 * @module
 */

/** What is known after a step. */
export interface StepLook {
  /** A clock in milliseconds. */
  atMs: number;
  /** Wall time of the step. */
  dtMs: number;
  /** Part of it in which the device waited for batches. */
  waitedMs: number;
  /** As the GPU's own counters say; null if they do not, or there is none. */
  gpuUtilPct: number | null;
}

/** So long it must have been idle: start-up and evaluations are shorter. */
const MINUTE_MS = 60_000;
/** Below this, a GPU could do much more; see docs/tuning.md. */
const IDLE_UTIL_PCT = 60;
/** Above this, waiting for data is worth a word. */
const MUCH_WAITING = 0.1;

/** Looks at every step of a run. */
export class IdleWatch {
  #startMs: number | null = null;
  #stepMs = 0;
  #waitedMs = 0;
  /** Percent times milliseconds, and the milliseconds they are known for. */
  #utilSum = 0;
  #utilMs = 0;
  #hasSpoken = false;

  /** Takes in a step. @returns A hint, at most once. */
  look({ atMs, dtMs, waitedMs, gpuUtilPct }: StepLook): string | null {
    if (this.#hasSpoken) return null;
    this.#startMs ??= atMs;
    this.#stepMs += dtMs;
    this.#waitedMs += waitedMs;
    if (gpuUtilPct !== null) {
      // By time, as steps may be shorter or longer than looks at the GPU.
      this.#utilSum += gpuUtilPct * dtMs;
      this.#utilMs += dtMs;
    }
    if (atMs - this.#startMs < MINUTE_MS) return null;
    const hint = this.#hint();
    this.#hasSpoken = hint !== null;
    this.#startMs = atMs;
    this.#stepMs =
      this.#waitedMs =
      this.#utilSum =
      this.#utilMs =
        0;
    return hint;
  }

  #hint(): string | null {
    const waiting = this.#waitedMs / this.#stepMs;
    if (waiting > MUCH_WAITING) {
      return `Training waited for data ${percent(waiting)} of the last ` +
        "minute: raise --prefetch-batches, or keep the data on a faster disk";
    }
    const util = this.#utilSum / this.#utilMs; // NaN if nothing is known
    if (util < IDLE_UTIL_PCT) {
      return `The GPU was busy ${percent(util / 100)} of the last minute: a ` +
        "larger --batch-size may train faster, see docs/tuning.md";
    }
    return null;
  }
}

function percent(share: number): string {
  return `${Math.round(100 * share)} %`;
}
