/**
 * A fixed set of worker threads that run programs together.
 *
 * The main thread starts them once, wakes them through shared words
 * (pool_protocol.ts) and never blocks. Idle workers do not keep the process
 * alive; a command under way does.
 *
 * @module
 */

// Node's Worker, and not the web's, as only that one can be unref'd.
import { Worker } from "node:worker_threads";
import type { KernelCode } from "./kernel_instance.ts";
import {
  COMMAND,
  CONTROL_BYTES,
  type PoolMessage,
  WORD,
  type WorkerStart,
} from "./pool_protocol.ts";

/** A call that trapped, or a worker that could not do what it was told. */
export class WorkerFailure extends Error {
  override readonly name = "WorkerFailure";
  /** Index of the call that failed, or null outside of calls. */
  readonly callIndex: number | null;

  constructor(reason: string, callIndex: number | null) {
    super(reason);
    this.callIndex = callIndex;
  }
}

/** One phase to run. */
export interface PhaseRun {
  readonly program: number;
  readonly record: number;
  readonly count: number;
  readonly profile: number;
}

/**
 * Looks at a barrier before sleeping: some 20 us, many times a usual wait. With
 * more threads than cores, too: who sleeps is woken later than a chunk takes.
 */
const SPIN_LIMIT = 20_000;

/** See the module. */
export class WorkerPool {
  /** How many workers there are. */
  readonly threads: number;
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #workers: Worker[];
  /** Why a worker could not start, died or ended; null while all are well. */
  #death: unknown = null;
  /** Tells the command that waits of it. */
  #onDeath = (_why: unknown) => {};
  /** Resolves when the last command given is done. */
  #turn: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(
    { threads, code, pauses }: {
      threads: number;
      code: KernelCode;
      /** Of the backend, for tests. */
      pauses?: number;
    },
  ) {
    const control = new SharedArrayBuffer(CONTROL_BYTES);
    this.threads = threads;
    this.#words = new Int32Array(control, 0, WORD.reason);
    const die = (why: unknown) => this.#onDeath(this.#death ??= why);
    this.#workers = Array.from({ length: threads }, (_, thread) => {
      const start: WorkerStart = {
        control,
        code,
        thread,
        threads,
        spinLimit: SPIN_LIMIT,
        pauses: pauses === undefined ? 0 : 1 + pauses * threads + thread,
      };
      const worker = new Worker(
        new URL("./cpu_worker.ts", import.meta.url),
        { workerData: start },
      );
      worker.unref();
      worker.on("error", die);
      // One that ends says nothing more, and nobody would answer for it.
      worker.on("exit", () => die(new Error("A worker thread ended")));
      return worker;
    });
  }

  /** Hands a message to every worker: `messageFor` its number. */
  send(messageFor: (thread: number) => PoolMessage): Promise<void> {
    return this.#inTurn(() => {
      this.#workers.forEach((worker, thread) =>
        worker.postMessage(messageFor(thread))
      );
      return this.#command(COMMAND.readMessage);
    });
  }

  /**
   * Runs one phase on all workers.
   *
   * @throws {WorkerFailure} If a call traps.
   */
  run({ program, record, count, profile }: PhaseRun): Promise<void> {
    return this.#inTurn(() => {
      const words = this.#words;
      words[WORD.program] = program;
      words[WORD.record] = record;
      words[WORD.count] = count;
      words[WORD.profile] = profile;
      return this.#command(COMMAND.run);
    });
  }

  /** Ends all workers, after the commands given before. */
  async close(): Promise<void> {
    if (this.#closed) return;
    // A worker that sleeps on a word cannot be terminated, so wake them first.
    const left = this.#inTurn(() => this.#command(COMMAND.leave));
    this.#closed = true;
    await left.catch(() => {}); // those that died need no waking
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }

  #inTurn(action: () => Promise<void>): Promise<void> {
    if (this.#closed) {
      return Promise.reject(new TypeError("Cannot use a closed worker pool"));
    }
    const result = this.#turn.then(action);
    this.#turn = result.catch(() => {}); // the caller sees it
    return result;
  }

  async #command(command: number): Promise<void> {
    const words = this.#words;
    const epoch = words[WORD.epoch] + 1 | 0; // as the word counts
    words[WORD.command] = command;
    words[WORD.finished] = 0;
    words[WORD.failed] = 0;
    this.#workers[0].ref();
    try {
      Atomics.store(words, WORD.epoch, epoch);
      Atomics.notify(words, WORD.epoch);
      for (;;) {
        const done = Atomics.load(words, WORD.done);
        if (done === epoch) break;
        const waiting = Atomics.waitAsync(words, WORD.done, done);
        if (waiting.async) await this.#unlessDead(waiting.value);
      }
    } finally {
      this.#workers[0].unref();
    }
    const failed = words[WORD.failed];
    if (failed !== 0) {
      throw new WorkerFailure(this.#reason(), failed > 0 ? failed - 1 : null);
    }
  }

  /**
   * Waits for `work`, or for the death of a worker. `Promise.race` would leave
   * a trace at each command in a promise that lives as long as the pool.
   */
  #unlessDead(work: Promise<unknown>): Promise<void> {
    if (this.#death !== null) return Promise.reject(this.#death);
    return new Promise((resolve, reject) => {
      this.#onDeath = reject;
      work.then(() => resolve(), reject);
    });
  }

  #reason(): string {
    const bytes = new Uint8Array(
      this.#words.buffer,
      4 * WORD.reason,
      this.#words[WORD.reasonBytes],
    );
    return new TextDecoder().decode(bytes.slice());
  }
}
