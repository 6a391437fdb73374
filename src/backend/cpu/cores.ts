/**
 * What the machine's CPU is: its name, and how many cores it really has.
 *
 * Two hardware threads of one core share its arithmetic units, so kernels
 * that keep those busy gain nothing from the second: one thread per core.
 *
 * @module
 */

import os from "node:os";

/** The CPU of this machine. */
export interface CpuInfo {
  /** Model name, such as `AMD Ryzen 9 7950X`; the architecture if unknown. */
  readonly name: string;
  /** Physical cores that this process may use, at least 1. */
  readonly cores: number;
  /** Hardware threads that this process may use, at least 1. */
  readonly hardwareThreads: number;
}

let known: CpuInfo | null = null;

/**
 * Asks the system, once. Never fails: what cannot be read is taken as said
 * above.
 */
export function readCpuInfo(): CpuInfo {
  return known ??= askCpuInfo();
}

function askCpuInfo(): CpuInfo {
  // Respects affinity masks and containers, unlike /proc/cpuinfo.
  const hardwareThreads = Math.max(1, navigator.hardwareConcurrency);
  const name = os.cpus()[0]?.model.trim() || Deno.build.arch;
  const text = Deno.build.os === "linux" ? readText("/proc/cpuinfo") : null;
  const cores = text && countCores(text) || hardwareThreads;
  return { name, cores: Math.min(cores, hardwareThreads), hardwareThreads };
}

/** Physical cores in the text of /proc/cpuinfo, or null if it does not say. */
export function countCores(text: string): number | null {
  const cores = new Set<string>();
  for (const block of text.split(/\n\s*\n/)) {
    const field = (key: string) =>
      block.match(new RegExp(`^${key}\\s*: *(\\d+)`, "m"))?.[1];
    const core = field("core id");
    if (core) cores.add(`${field("physical id") ?? 0}/${core}`);
  }
  return cores.size || null;
}

function readText(path: string): string | null {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return null; // no such file, or no permission to read it
  }
}
