/**
 * Looks at an NVIDIA GPU through one `nvidia-smi` that prints every second.
 *
 * Starting it takes up to a second of driver work, so it is started once, and
 * again, ever more seldom, should it end, fall silent or talk nonsense. It is
 * killed when the run ends; should this process be killed first, nvidia-smi ends
 * at its next line, which nobody reads. A driver that hangs may not let it be
 * killed: then it is left alone.
 *
 * @module
 */

import {
  CLOSE_MS,
  type GpuIdentity,
  type GpuSample,
  type GpuSampler,
  NO_GPU_SAMPLE,
  SAMPLE_INTERVAL_MS,
  STALE_MS,
  waitAtMost,
} from "./gpu_sample.ts";
import {
  isNvidiaGpu,
  NVIDIA_SMI_ENV,
  NVIDIA_SMI_QUERY,
  parseNvidiaLine,
} from "./nvidia_smi.ts";

const FIRST_RETRY_MS = 1000;
const LONGEST_RETRY_MS = 60_000;
/** Loading a driver takes some seconds; after that it prints every second. */
const SILENCE_MS = 30_000;

/** One that ends sooner has failed, even if it has said something. */
const STEADY_MS = 10_000;
/** Characters in a row without a line about a GPU, after which it is ended. */
export const MOST_NONSENSE = 1 << 20;

/** How long to wait after that many starts in a row that failed. */
export function retryDelayMs(failures: number): number {
  return Math.min(FIRST_RETRY_MS * 2 ** failures, LONGEST_RETRY_MS);
}

/** Kills a process that has nothing to save, if it is still there. */
export function endAtOnce(process: Deno.ChildProcess): void {
  try {
    process.kill("SIGKILL");
  } catch {
    // It has ended by itself just now.
  }
}

/** What a test sets otherwise. */
export interface NvidiaSmiOptions {
  /** Default: nvidia-smi, found on PATH. */
  command?: string;
  delayMs?: typeof retryDelayMs;
  /** How long it may print nothing before it is started anew. */
  silenceMs?: number;
  /** How long it must go on for to have been worth the start. */
  steadyMs?: number;
  /** How long `close` waits for its end. */
  closeMs?: number;
  kill?: (process: Deno.ChildProcess) => void;
  /** A clock in milliseconds. */
  now?: () => number;
}

/**
 * A GPU that nvidia-smi watches. Of several of one model it is the first, if
 * the adapter does not tell which.
 */
export class NvidiaSmiSampler implements GpuSampler {
  readonly #identity: GpuIdentity;
  readonly #command: string;
  readonly #delayMs: typeof retryDelayMs;
  readonly #silenceMs: number;
  readonly #steadyMs: number;
  readonly #closeMs: number;
  readonly #kill: (process: Deno.ChildProcess) => void;
  readonly #now: () => number;
  #end: (() => Promise<void>) | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #latest: { index: number; sample: GpuSample; atMs: number } | null = null;
  /** Starts in a row that gave nothing, or not for long. */
  #failures = 0;
  #closed = false;

  constructor(identity: GpuIdentity, {
    command = "nvidia-smi",
    delayMs = retryDelayMs,
    silenceMs = SILENCE_MS,
    steadyMs = STEADY_MS,
    closeMs = CLOSE_MS,
    kill = endAtOnce,
    now = () => performance.now(),
  }: NvidiaSmiOptions = {}) {
    this.#identity = identity;
    this.#command = command;
    this.#delayMs = delayMs;
    this.#silenceMs = silenceMs;
    this.#steadyMs = steadyMs;
    this.#closeMs = closeMs;
    this.#kill = kill;
    this.#now = now;
    this.#start();
  }

  get latest(): GpuSample {
    const isFresh = this.#latest && this.#now() - this.#latest.atMs < STALE_MS;
    return isFresh ? this.#latest!.sample : NO_GPU_SAMPLE;
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#end?.();
  }

  /** Starts nvidia-smi, now and again whenever it ends. */
  #start(): void {
    let process: Deno.ChildProcess;
    try {
      process = new Deno.Command(this.#command, {
        args: [...NVIDIA_SMI_QUERY, `--loop-ms=${SAMPLE_INTERVAL_MS}`],
        env: NVIDIA_SMI_ENV,
        stdin: "null",
        stdout: "piped",
        stderr: "null",
      }).spawn();
    } catch {
      return; // not installed, or not allowed: it will not be there later
    }
    process.unref(); // the run decides how long this process lives
    const reader = process.stdout.pipeThrough(new TextDecoderStream())
      .getReader();
    const kill = () => this.#kill(process);
    const startMs = this.#now();
    const ended = this.#read(reader, kill).then(() => process.status);
    this.#end = async () => {
      try {
        process.ref(); // or else nothing would wait for it below
      } catch {
        // It has ended just now, and its status is on the way.
      }
      kill();
      const all = Promise.all([reader.cancel(), ended]);
      await waitAtMost(this.#closeMs, all);
      process.unref(); // it may not have let itself be killed
    };
    ended.finally(() => {
      this.#end = null;
      const at = this.#latest?.atMs ?? -Infinity;
      if (at - startMs >= this.#steadyMs) this.#failures = 0;
      if (!this.#closed) this.#startLater();
    });
  }

  #startLater(): void {
    const delayMs = this.#delayMs(this.#failures++);
    this.#timer = setTimeout(() => this.#start(), delayMs);
    Deno.unrefTimer(this.#timer);
  }

  /** Takes in lines until there are no more that say anything. Never fails. */
  async #read(
    reader: ReadableStreamDefaultReader<string>,
    kill: () => void,
  ): Promise<void> {
    let rest = "", nonsense = 0;
    for (;;) {
      const silent = setTimeout(kill, this.#silenceMs);
      Deno.unrefTimer(silent);
      try {
        const { value, done } = await reader.read();
        if (done) return;
        const lines = (rest + value).split("\n");
        rest = lines.pop()!; // not whole yet; one cut by the end is dropped
        const isSense = lines.map((line) => this.#take(line)).includes(true);
        nonsense = isSense ? 0 : nonsense + value.length;
        if (nonsense > MOST_NONSENSE) {
          kill();
          return await reader.cancel(); // or the pipe stays open
        }
      } catch {
        return; // the pipe broke, which is as good an end as any
      } finally {
        clearTimeout(silent);
      }
    }
  }

  /** @returns Whether the line is about a GPU, be it another one. */
  #take(line: string): boolean {
    const gpu = parseNvidiaLine(line);
    if (!gpu || !isNvidiaGpu(gpu, this.#identity)) return gpu !== null;
    if (this.#latest && gpu.index > this.#latest.index) return true; // its twin
    this.#latest = { index: gpu.index, sample: gpu.sample, atMs: this.#now() };
    return true;
  }
}
