/**
 * What training takes from the machine right now.
 *
 * The processor and memory are asked here, in some 0.1 ms a second; what a
 * GPU reports comes from gpu_sampler.ts.
 *
 * @module
 */

import os from "node:os";
import process from "node:process";
import { type GpuSample, NO_GPU_SAMPLE } from "./gpu_sample.ts";

/** One look at the machine; null is unknown. */
export interface Telemetry extends GpuSample {
  /** Of this process with all its threads: 100 for each core kept busy. */
  cpuPct: number | null;
  /** Of all processes together: 100 if every core is busy. */
  machineCpuPct: number | null;
  /** Resident memory of this process, worker threads included. */
  rssBytes: number | null;
}

/** Before the first look. */
export const NO_TELEMETRY: Telemetry = {
  ...NO_GPU_SAMPLE,
  cpuPct: null,
  machineCpuPct: null,
  rssBytes: null,
};

/** Of the GPU where it is known, by all programs; else of the process. */
export function memoryInUse(
  { vramUsedBytes, rssBytes }: Telemetry,
): number | null {
  return vramUsedBytes ?? rssBytes;
}

/** Clocks tick in 1/100 s, so a shorter time says little about CPU use. */
const INTERVAL_MS = 1000;

/** Time counters of the processors since some moment. */
export interface CpuTimes {
  /** Of this process. */
  ownMs: number;
  /** Of all processors together, in any unit; null if nobody counts. */
  machine: { busy: number; total: number } | null;
}

/**
 * Looks at this process and its machine. CPU use is the average since the
 * look before, a second or more ago; asked sooner, the figures stay.
 */
export class TelemetrySampler {
  /**
   * Tells the newest figures of the GPU that trains, once there is one. It is
   * called between two steps, so it must not wait.
   */
  gpu: (() => GpuSample) | null = null;
  readonly #now: () => number;
  readonly #readTimes: () => CpuTimes;
  #before: CpuTimes & { atMs: number };
  #last: Telemetry | null = null;

  /**
   * @param options.now A clock in milliseconds, for tests.
   * @param options.readTimes Reads the counters, for tests.
   */
  constructor(
    { now = () => performance.now(), readTimes = cpuTimes }: {
      now?: () => number;
      readTimes?: () => CpuTimes;
    } = {},
  ) {
    this.#now = now;
    this.#readTimes = readTimes;
    this.#before = { ...readTimes(), atMs: now() };
  }

  /** The figures; CPU use is null in the first second. */
  sample(): Telemetry {
    const atMs = this.#now();
    const passedMs = atMs - this.#before.atMs;
    if (this.#last && passedMs < INTERVAL_MS) return this.#last;
    this.#last = {
      ...NO_TELEMETRY,
      ...this.gpu?.(),
      rssBytes: Deno.memoryUsage().rss,
    };
    if (passedMs >= INTERVAL_MS) {
      const now = { ...this.#readTimes(), atMs };
      Object.assign(this.#last, cpuUse(this.#before, now));
      this.#before = now;
    }
    return this.#last;
  }
}

function cpuUse(
  before: CpuTimes & { atMs: number },
  now: CpuTimes & { atMs: number },
): Pick<Telemetry, "cpuPct" | "machineCpuPct"> {
  const share = (now.ownMs - before.ownMs) / (now.atMs - before.atMs);
  return {
    cpuPct: Math.max(0, Math.round(100 * share)),
    machineCpuPct: machineUse(before.machine, now.machine),
  };
}

function machineUse(
  before: CpuTimes["machine"],
  now: CpuTimes["machine"],
): number | null {
  if (before === null || now === null) return null;
  const total = now.total - before.total;
  // Zeros where they are not counted; and, says proc(5), the time that Linux
  // waits for disks may run backwards.
  if (!(total > 0)) return null;
  const pct = Math.round(100 * (now.busy - before.busy) / total);
  return Math.min(100, Math.max(0, pct));
}

function cpuTimes(): CpuTimes {
  const { user, system } = process.cpuUsage(); // of all threads, in µs
  return { ownMs: (user + system) / 1000, machine: machineTimes() };
}

function machineTimes(): CpuTimes["machine"] {
  try {
    return Deno.build.os === "linux" ? linuxTimes() : timesOfCpus();
  } catch {
    return null; // a sandbox hides them
  }
}

/** The first line of /proc/stat, see proc(5): a tenth of what os.cpus costs. */
function linuxTimes(): CpuTimes["machine"] {
  const [line] = Deno.readTextFileSync("/proc/stat").split("\n", 1);
  const ticks = line.split(/ +/).slice(1).map(Number);
  const [user, nice, system, idle, iowait, irq, softirq, steal] = ticks;
  const busy = user + nice + system + irq + softirq + steal;
  const total = busy + idle + iowait;
  return Number.isFinite(total) ? { busy, total } : null;
}

function timesOfCpus(): CpuTimes["machine"] {
  let busy = 0, total = 0;
  for (const { times } of os.cpus()) {
    const working = times.user + times.nice + times.sys + times.irq;
    busy += working;
    total += working + times.idle;
  }
  return { busy, total };
}
