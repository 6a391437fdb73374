/**
 * The line that a terminal shows while data is fetched and prepared, with how
 * fast it goes and how long it will take.
 *
 * @module
 */

import type { Preparing } from "../../run/files/run_state.ts";
import { formatStage, formatTransfer } from "./progress_bar.ts";

/** Speed is that of about so long: steady, and soon true again. */
const WINDOW_MS = 5000;

/** Turns what is done into lines; keeps what it needs to know the speed. */
export class StageLine {
  #stage = "";
  /** Bytes at times, oldest first. */
  #samples: { atMs: number; done: number }[] = [];
  readonly #now: () => number;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** What to show; narrower than `columns`. */
  render(progress: Preparing): (columns: number) => string {
    const { stage, fraction, bytes = null } = progress;
    if (bytes === null) {
      return (columns) => formatStage(stage, fraction, columns);
    }
    const bytesPerSec = this.#measure(stage, bytes.done);
    return (columns) =>
      formatTransfer({ stage, ...bytes, bytesPerSec }, columns);
  }

  /** Bytes a second; null while there is too little to tell. */
  #measure(stage: string, done: number): number | null {
    const atMs = this.#now();
    const last = this.#samples.at(-1);
    // Another stage, or one that began anew.
    if (stage !== this.#stage || (last && done < last.done)) this.#samples = [];
    this.#stage = stage;
    const isDue = atMs - (this.#samples.at(-1)?.atMs ?? -Infinity) >= 100;
    if (isDue) this.#samples.push({ atMs, done });
    while (
      this.#samples.length > 2 && this.#samples[1].atMs < atMs - WINDOW_MS
    ) {
      this.#samples.shift();
    }
    const first = this.#samples[0];
    return atMs - first.atMs < 200
      ? null
      : (done - first.done) * 1000 / (atMs - first.atMs);
  }
}
