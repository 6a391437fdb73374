/**
 * Feeds a parser with damaged inputs and watches over it.
 *
 * Every input is a function of seed and index, so a failure can be had again
 * alone. The parser runs in a thread, so that one that does not come back is
 * seen; so is memory that only grows.
 *
 * @module
 */

import type { TargetName } from "./_targets.ts";

/** What a thread is asked for. */
export interface FuzzJob {
  target: TargetName;
  seed: number;
  first: number;
  count: number;
  /** The index that is being worked on; before the first while it is opened. */
  counter: Int32Array<SharedArrayBuffer>;
  /** A directory for its files. */
  dir: string;
}

/** What it found. */
export interface FuzzReport {
  /** Inputs that were refused with the error that they should be. */
  refused: number;
  failures: string[];
}

/** The same, as seen from outside. */
export interface FuzzResult extends FuzzReport {
  inputs: number;
  /** Memory that the process has gained since the first tenth, in bytes. */
  grownBytes: number;
}

/** One input may take this long: the slowest take some 0.2 s. */
const HANG_MS = 30_000;
/** Memory above this means that something is kept, or believed. */
const MOST_GROWTH_BYTES = 600 << 20;
const LOOK_MS = 50;

/** A thread for targets, one after another. */
export class Fuzzer implements Disposable {
  #worker = startWorker();

  /** Feeds `count` inputs, from number `first` on. */
  async feed(
    { target, seed, count, first = 0 }: {
      target: TargetName;
      seed: number;
      count: number;
      first?: number;
    },
  ): Promise<FuzzResult> {
    const dir = await Deno.makeTempDir({ prefix: "hearth-fuzz-" });
    const counter = new Int32Array(new SharedArrayBuffer(4));
    counter[0] = first - 1;
    const done = Promise.withResolvers<FuzzReport>();
    const stop = (failure: string) => {
      done.resolve({ refused: 0, failures: [failure] });
      this.#worker.terminate(); // it would not listen
      this.#worker = startWorker();
    };
    this.#worker.onmessage = ({ data }) => done.resolve(data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      stop(`input ${counter[0]}: uncaught: ${event.message}`);
    };
    let settled = { index: counter[0], at: performance.now() };
    let base = Deno.memoryUsage().rss, grownBytes = 0;
    const timer = setInterval(() => {
      const index = Atomics.load(counter, 0);
      const { rss } = Deno.memoryUsage();
      if (index - first < count / 10) base = Math.max(base, rss);
      else grownBytes = Math.max(grownBytes, rss - base);
      if (grownBytes > MOST_GROWTH_BYTES) {
        const megabytes = Math.round(grownBytes / 2 ** 20);
        return stop(`input ${index}: memory has grown by ${megabytes} MB`);
      }
      const now = performance.now();
      // To load and open it takes as long as the machine wants.
      if (index !== settled.index || index < first) {
        settled = { index, at: now };
      } else if (now - settled.at > HANG_MS) stop(`input ${index}: it hangs`);
    }, LOOK_MS);
    try {
      const job: FuzzJob = { target, seed, first, count, counter, dir };
      this.#worker.postMessage(job);
      const report = await done.promise;
      return { ...report, inputs: counter[0] - first + 1, grownBytes };
    } finally {
      clearInterval(timer);
      await Deno.remove(dir, { recursive: true });
    }
  }

  [Symbol.dispose](): void {
    this.#worker.terminate();
  }
}

function startWorker(): Worker {
  return new Worker(import.meta.resolve("./_worker.ts"), { type: "module" });
}
