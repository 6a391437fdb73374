/**
 * Threads that work on batches of text.
 *
 * The first batches are done in this thread: most texts are small, and to
 * start a thread takes as long as to encode some megabytes. Results do not
 * depend on where a batch was done, or on the number of threads.
 *
 * @module
 */

import { UserError } from "../base/errors.ts";
import type { TextBatch } from "./text_batch.ts";
import {
  type JobResults,
  type OpenJob,
  openJob,
  type TextJob,
} from "./text_job.ts";
import type { WorkerAnswer, WorkerOrder } from "./text_worker.ts";

/** Batches to do here before threads are started: some 0.1 s. */
const BATCHES_HERE = 4;
/** Batches that wait for a thread: enough that it is never idle. */
const WAITING_PER_THREAD = 2;

/** See the module. Dispose of it, also after a failure. */
export class TextPool<K extends TextJob["kind"]> implements Disposable {
  #job: TextJob & { kind: K };
  #threads: number;
  #here: Promise<OpenJob<K>> | null = null;
  #batches = 0;
  #workers: TextThread[] = [];

  /** @param threads 0: one per core. */
  constructor(job: TextJob & { kind: K }, threads = 0) {
    this.#job = job;
    this.#threads = threads || navigator.hardwareConcurrency;
  }

  /**
   * Takes a batch, whose buffer then belongs to the pool.
   *
   * @returns When the next one may come: its result, to be waited for later.
   */
  async submit(
    batch: TextBatch,
  ): Promise<{ result: Promise<JobResults[K]["batch"]> }> {
    if (this.#batches++ < BATCHES_HERE || this.#threads === 1) {
      const job = await this.#openHere();
      return { result: Promise.resolve(job.run(batch)) };
    }
    if (this.#workers.length === 0) {
      for (let i = 0; i < this.#threads; i++) {
        this.#workers.push(new TextThread(this.#job));
      }
    }
    const free = this.#leastBusy();
    const result = free.ask(batch) as Promise<JobResults[K]["batch"]>;
    result.catch(() => {}); // whoever waits for it sees the failure
    const next = this.#leastBusy();
    if (next.waiting >= WAITING_PER_THREAD) await next.someAnswer();
    return { result };
  }

  /** What each thread has in the end. */
  async finish(): Promise<JobResults[K]["all"][]> {
    const here = await this.#here;
    const all = this.#workers.map((worker) => worker.ask(null));
    return [
      ...here === null ? [] : [here.finish()],
      ...await Promise.all(all) as JobResults[K]["all"][],
    ];
  }

  [Symbol.dispose](): void {
    for (const worker of this.#workers) worker.end();
    this.#workers = [];
  }

  #openHere(): Promise<OpenJob<K>> {
    return this.#here ??= openJob(this.#job) as Promise<OpenJob<K>>;
  }

  #leastBusy(): TextThread {
    return this.#workers.reduce((a, b) => b.waiting < a.waiting ? b : a);
  }
}

/**
 * One thread; it answers in the order it is asked.
 *
 * A web worker: messages to one of Node's take 0.1 s per megabyte (Deno 2.9.6
 * walks through every element of a typed array).
 */
class TextThread {
  #worker: Worker;
  #asked: PromiseWithResolvers<unknown>[] = [];
  /** Why it answers no more, or null. */
  #failure: Error | null = null;

  constructor(job: TextJob) {
    const url = new URL("./text_worker.ts", import.meta.url);
    this.#worker = new Worker(url, { type: "module" });
    this.#worker.onmessage = ({ data }: MessageEvent<WorkerAnswer>) => {
      const { resolve, reject } = this.#asked.shift()!;
      if ("result" in data) return resolve(data.result);
      const { message, hint } = data.error;
      reject(
        hint === null ? new Error(message) : new UserError(message, { hint }),
      );
    };
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#fail(new Error(event.message));
    };
    this.#tell({ job });
  }

  /** Batches without an answer yet. */
  get waiting(): number {
    return this.#asked.length;
  }

  /** @param batch null asks for what there is in the end. */
  ask(batch: TextBatch | null): Promise<unknown> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    const asked = Promise.withResolvers<unknown>();
    this.#asked.push(asked);
    this.#tell(
      { batch },
      batch === null ? [] : [batch.bytes.buffer, batch.ends.buffer],
    );
    return asked.promise;
  }

  /** Waits for the answer that comes next. */
  async someAnswer(): Promise<void> {
    await this.#asked[0]?.promise.catch(() => {});
  }

  end(): void {
    this.#worker.terminate();
    this.#fail(new Error("The thread was ended"));
  }

  #tell(order: WorkerOrder, handedOver: ArrayBuffer[] = []): void {
    this.#worker.postMessage(order, handedOver);
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    for (const { promise, reject } of this.#asked.splice(0)) {
      promise.catch(() => {}); // nobody may be waiting any more
      reject(error);
    }
  }
}
