/**
 * Time to the end of a run, from what this process has measured.
 *
 * Steps of earlier sessions do not count: they may have run on another
 * machine. Nor does the first step, which warms up caches and compilers. What
 * is still to come is steps, evaluations and checkpoints, each at its own
 * price; see cadence.ts for how many. Pure: the caller brings the times.
 *
 * @module
 */

/** Steps are measured in samples of at least this, to even out jitter. */
const SAMPLE_MS = 250;
/** Samples that count as recent: 16 s of fast steps, or 64 slow ones. */
const RECENT_SAMPLES = 64;
/** Less history than this gives no estimate. */
const MIN_SAMPLES = 3;
const MIN_HISTORY_MS = 1000;
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

/** Some steps in a row and how long they took. */
interface Sample {
  steps: number;
  ms: number;
}

/** Collects the times of one process; see the module. */
export class Eta {
  readonly #guess: CostGuess;
  readonly #samples: Sample[] = [];
  readonly #evalMs: number[] = [];
  readonly #checkpointMs: number[] = [];
  #warm = false;

  constructor(guess: CostGuess) {
    this.#guess = guess;
  }

  /** A step took `dtMs`, with all that happened since the last record. */
  recordStep(dtMs: number): void {
    if (!this.#warm) {
      this.#warm = true;
      return;
    }
    const last = this.#samples.at(-1);
    if (last && last.ms < SAMPLE_MS) {
      last.steps++;
      last.ms += dtMs;
      return;
    }
    this.#samples.push({ steps: 1, ms: dtMs });
    if (this.#samples.length > RECENT_SAMPLES) this.#samples.shift();
  }

  /** An evaluation took `dtMs`. */
  recordEvaluation(dtMs: number): void {
    pushRecent(this.#evalMs, dtMs);
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

  /** An evaluation as a multiple of a step: measured, else the guess. */
  get evalCost(): number {
    const evalMs = typical(this.#evalMs), stepMs = this.stepMs;
    return evalMs && stepMs ? evalMs / stepMs : this.#guess.evalCost;
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
    if (samples.length < MIN_SAMPLES || ms < MIN_HISTORY_MS) return null;
    const stepMs = ms / steps;
    return work.steps * stepMs +
      work.evaluations * this.evalCost * stepMs +
      work.checkpoints * this.checkpointMs;
  }
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
function typical(times: readonly number[]): number | null {
  if (times.length === 0) return null;
  const sorted = [...times].sort((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)];
}

function pushRecent(times: number[], ms: number): void {
  times.push(ms);
  if (times.length > RECENT_COSTS) times.shift();
}
