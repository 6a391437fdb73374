/**
 * What a figure was measured on: it means nothing without.
 *
 * @module
 */

import process from "node:process";
import type { DeviceInfo } from "../../backend/backend.ts";
import { readCpuInfo } from "../../backend/cpu/cores.ts";
import { BUILT_COMMIT, VERSION } from "../../base/version.ts";

/** Part of every JSON line of `hearth bench`. */
export interface Surroundings {
  readonly machine: {
    readonly name: string;
    readonly cores: number;
    readonly memoryBytes: number;
    readonly os: string;
    readonly arch: string;
  };
  readonly device: string;
  readonly threads: number | null;
  readonly kernels: string;
  readonly hearth: string;
  /** Of the sources, with `-dirty` if changed since; null if unknown. */
  readonly commit: string | null;
}

/** Describes the machine and the device that was opened on it. */
export async function surroundings(
  device: DeviceInfo,
): Promise<Surroundings> {
  const { name, cores } = readCpuInfo();
  return {
    machine: {
      name,
      cores,
      memoryBytes: Deno.systemMemoryInfo().total,
      os: Deno.build.os,
      arch: Deno.build.arch,
    },
    device: device.name,
    threads: device.threads ?? null,
    kernels: device.kernels,
    hearth: VERSION,
    commit: BUILT_COMMIT ?? await readCommit(),
  };
}

/** The most memory this process has held so far; null if unknown. */
export function peakRssBytes(): number | null {
  const { maxRSS } = process.resourceUsage(); // in kB, as getrusage
  return maxRSS > 0 ? maxRSS * 1024 : null;
}

async function readCommit(): Promise<string | null> {
  try {
    const { success, stdout } = await new Deno.Command("git", {
      args: ["describe", "--always", "--dirty", "--exclude=*"],
      cwd: import.meta.dirname,
      stderr: "null",
    }).output();
    return success ? new TextDecoder().decode(stdout).trim() : null;
  } catch {
    return null; // no git
  }
}
