/**
 * Notices that the device has little to do, and says once what may help.
 *
 * Only time in steps counts: evaluations and saves are announced, and of the
 * steps between, the longest is left out, in which the process may have been
 * stopped, or the machine asleep.
 *
 * @module
 */

/** What is known after a step. */
export interface StepLook {
  /** A clock in milliseconds. */
  atMs: number;
  /** Part of the step in which the device waited for batches. */
  waitedMs: number;
  /** As the GPU's own counters say; null if they do not, or there is none. */
  gpuUtilPct: number | null;
}

/** So long it must have been idle. */
const MINUTE_MS = 60_000;
/** Below this, a GPU could do much more; see docs/tuning.md. */
const IDLE_UTIL_PCT = 60;
/** Above this, waiting for data is worth a word. */
const MUCH_WAITING = 0.1;
/** Of the minute: what is said of all of it should be known of most. */
const LEAST_KNOWN = 0.5;
/**
 * So old is the oldest part of what a GPU's counters say: they tell of a second,
 * are asked once a second, and their answer serves for another one.
 */
const LOOK_BACK_MS = 3000;
/** An evaluation or a save that such an average hardly shows … */
const SHORT_REST_MS = 300;
/** … unless there are many: this part of the time of steps. */
const MUCH_REST = 0.1;

/** Milliseconds of one or more steps. */
interface Times {
  step: number;
  waited: number;
  /** In which the GPU's use is known, and percent times these. */
  known: number;
  busy: number;
}

const NONE: Times = { step: 0, waited: 0, known: 0, busy: 0 };

/** Looks at every step of a run. */
export class IdleWatch {
  /** The end of the step, evaluation or save before; null before the first. */
  #beforeMs: number | null = null;
  /** The end of the last thing that took long and was no step. */
  #restMs = 0;
  /** Of those that were short, in all. */
  #shortRestsMs = 0;
  #all = NONE;
  #longest = NONE;
  #hasSpoken = false;

  /** Something other than a step has ended, such as an evaluation. */
  rest(atMs: number): void {
    const ms = this.#beforeMs === null ? Infinity : atMs - this.#beforeMs;
    if (ms < SHORT_REST_MS) this.#shortRestsMs += ms;
    else this.#restMs = atMs;
    this.#beforeMs = atMs;
  }

  /** Takes in a step. @returns A hint, at most once. */
  look({ atMs, waitedMs, gpuUtilPct }: StepLook): string | null {
    if (this.#hasSpoken) return null;
    // The first one takes longer, as much of it happens for the first time.
    if (this.#beforeMs === null) this.rest(atMs);
    const step = atMs - this.#beforeMs!;
    this.#beforeMs = atMs;
    const known = gpuUtilPct === null || atMs - this.#restMs < LOOK_BACK_MS
      ? 0
      : step;
    // By time, as steps may be shorter or longer than looks at the GPU.
    const busy = known * (gpuUtilPct ?? 0);
    const times = { step, waited: Math.min(waitedMs, step), known, busy };
    this.#all = sum(this.#all, times, 1);
    if (step > this.#longest.step) this.#longest = times;
    const counted = sum(this.#all, this.#longest, -1);
    if (counted.step < MINUTE_MS) return null;
    if (this.#shortRestsMs > MUCH_REST * counted.step) counted.known = 0;
    this.#all = this.#longest = NONE;
    this.#shortRestsMs = 0;
    const hint = hintOf(counted);
    this.#hasSpoken = hint !== null;
    return hint;
  }
}

function sum(a: Times, b: Times, sign: 1 | -1): Times {
  return {
    step: a.step + sign * b.step,
    waited: a.waited + sign * b.waited,
    known: a.known + sign * b.known,
    busy: a.busy + sign * b.busy,
  };
}

function hintOf({ step, waited, known, busy }: Times): string | null {
  const util = known < LEAST_KNOWN * step ? null : busy / known;
  // A GPU may have had enough to do meanwhile: steps are given to it ahead.
  if (util !== null && util >= IDLE_UTIL_PCT) return null;
  const waiting = waited / step;
  if (waiting > MUCH_WAITING) {
    return `Training waited for data ${percent(waiting)} of the last ` +
      "minute: raise --prefetch-batches, or keep the data on a faster disk";
  }
  if (util !== null) {
    return `The GPU was busy ${percent(util / 100)} of the last minute: a ` +
      "larger --batch-size may train faster, see docs/tuning.md";
  }
  return null;
}

function percent(share: number): string {
  return `${Math.round(100 * share)} %`;
}
