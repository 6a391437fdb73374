/**
 * Time to the end of a run, from what this process has measured.
 *
 * Steps of earlier sessions do not count: they may have run on another
 * machine. Nor does the first step, which warms up caches and compilers. What
 * is still to come is steps, evaluations and checkpoints, each at its own
 * price; see cadence.ts for how many. After a lasting change of speed the
 * estimate is right again within a minute or ten steps, whichever takes longer.
 * Pure: the caller brings the times.
 *
 * @module
 */

/** Steps are measured in samples of at least this, to even out jitter. */
const SAMPLE_MS = 250;
/** What counts as recent: a minute, in not too few and not too many samples. */
const RECENT_MS = 60_000;
const MIN_RECENT = 10;
const MAX_RECENT = 64;
/** Less history than this gives no estimate … */
const MIN_SAMPLES = 3;
const MIN_HISTORY_MS = 1000;
/** … unless steps are slow: then two that agree are enough. */
const SLOW_HISTORY_MS = 60_000;
/** A first step this slow is slow itself; a warm-up takes seconds. */
const SLOW_FIRST_MS = 60_000;
/** A sample this many times slower than 19 of 20 others is a suspension. */
const GAP_FACTOR = 4;
/** Evaluations and checkpoints that count as recent. */
const RECENT_COSTS = 5;

/** What remains of a run. A count may be an expectation, so a fraction. */
export interface RemainingWork {
  steps: number;
  evaluations: number;
  checkpoints: number;
}

/** What is known before this process has measured anything. */
export interface CostGuess {
  /** An evaluation, as a multiple of a step. */
  evalCost: number;
  checkpointMs: number;
}

/** How long an evaluation took, and a step at that time, if it was known. */
interface EvalCost {
  ms: number;
  stepMs: number | null;
}

/** Some steps in a row and how long they took. */
interface Sample {
  steps: number;
  ms: number;
}

/** Collects the times of one process; see the module. */
export class Eta {
  readonly #guess: CostGuess;
  readonly #samples: Sample[] = [];
  readonly #evals: EvalCost[] = [];
  readonly #checkpointMs: number[] = [];
  #warm = false;

  constructor(guess: CostGuess) {
    this.#guess = guess;
  }

  /** A step took `dtMs`, with all that happened since the last record. */
  recordStep(dtMs: number): void {
    const isFirst = !this.#warm;
    this.#warm = true;
    if (isFirst && dtMs < SLOW_FIRST_MS) return;
    const last = this.#samples.at(-1);
    if (last && last.ms < SAMPLE_MS) {
      last.steps++;
      last.ms += dtMs;
      return;
    }
    this.#samples.push({ steps: 1, ms: dtMs });
    while (hasOld(this.#samples)) this.#samples.shift();
  }

  /** An evaluation took `dtMs`. */
  recordEvaluation(dtMs: number): void {
    pushRecent(this.#evals, { ms: dtMs, stepMs: this.stepMs });
  }

  /** A checkpoint took `dtMs`. */
  recordCheckpoint(dtMs: number): void {
    pushRecent(this.#checkpointMs, dtMs);
  }

  /** Milliseconds per recent step, or null before the second step. */
  get stepMs(): number | null {
    const { steps, ms } = total(withoutGaps(this.#samples));
    return steps > 0 ? ms / steps : null;
  }

  /**
   * An evaluation as a multiple of a step: measured, else the guess. As such,
   * and not in milliseconds, it holds after a change of speed.
   */
  get evalCost(): number {
    const now = this.stepMs;
    if (now === null) return this.#guess.evalCost;
    const costs = this.#evals.map(({ ms, stepMs }) => ms / (stepMs ?? now));
    return typical(costs) ?? this.#guess.evalCost;
  }

  /** Milliseconds of a checkpoint: measured, else the guess. */
  get checkpointMs(): number {
    return typical(this.#checkpointMs) ?? this.#guess.checkpointMs;
  }

  /** Milliseconds until `work` is done; null while history is too short. */
  remainingMs(work: RemainingWork): number | null {
    if (work.steps + work.evaluations + work.checkpoints === 0) return 0;
    const samples = withoutGaps(this.#samples);
    const { steps, ms } = total(samples);
    const isEnough = samples.length >= MIN_SAMPLES && ms >= MIN_HISTORY_MS ||
      samples.length >= 2 && ms >= SLOW_HISTORY_MS;
    if (!isEnough) return null;
    const stepMs = ms / steps;
    return work.steps * stepMs +
      work.evaluations * this.evalCost * stepMs +
      work.checkpoints * this.checkpointMs;
  }
}

/** More than a recent view needs: the oldest sample can go. */
function hasOld(samples: readonly Sample[]): boolean {
  return samples.length > MAX_RECENT ||
    samples.length > MIN_RECENT &&
      total(samples.slice(1)).ms >= RECENT_MS;
}

/** All samples but those in which the process was evidently suspended. */
function withoutGaps(samples: readonly Sample[]): Sample[] {
  if (samples.length === 0) return [];
  const pace = (sample: Sample) => sample.ms / sample.steps;
  const paces = samples.map(pace).sort((a, b) => a - b);
  const slow = paces[Math.floor(0.95 * (paces.length - 1))];
  return samples.filter((sample) => pace(sample) <= GAP_FACTOR * slow);
}

function total(samples: readonly Sample[]): Sample {
  let steps = 0, ms = 0;
  for (const sample of samples) steps += sample.steps, ms += sample.ms;
  return { steps, ms };
}

/** The median, of an even count the lower one: a suspension only adds. */
function typical(costs: readonly number[]): number | null {
  if (costs.length === 0) return null;
  const sorted = [...costs].sort((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)];
}

function pushRecent<T>(costs: T[], cost: T): void {
  costs.push(cost);
  if (costs.length > RECENT_COSTS) costs.shift();
}
