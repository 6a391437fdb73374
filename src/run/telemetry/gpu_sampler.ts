/**
 * Who can look at the GPU that trains, if anyone.
 *
 * @module
 */

import type { Session } from "../../train/session.ts";
import {
  type GpuIdentity,
  type GpuSample,
  type GpuSampler,
  NO_GPU_SAMPLE,
  waitAtMost,
} from "./gpu_sample.ts";
import { findSysfsCard, readSysfsCard, SysfsSampler } from "./gpu_sysfs.ts";
import {
  isNvidiaGpu,
  NVIDIA_SMI_ENV,
  NVIDIA_SMI_QUERY,
  parseNvidiaLine,
} from "./nvidia_smi.ts";
import {
  endAtOnce,
  MOST_NONSENSE,
  NvidiaSmiSampler,
} from "./nvidia_smi_sampler.ts";

const NVIDIA = 0x10de;

/** Starts to look; null where no tool of this system shows that GPU. */
export function openGpuSampler(identity: GpuIdentity): GpuSampler | null {
  if (Number(identity.vendorId) === NVIDIA) {
    return new NvidiaSmiSampler(identity);
  }
  return Deno.build.os === "linux" ? new SysfsSampler(identity) : null;
}

/** A driver that hangs must not hang what only asks for memory. */
const ONCE_TIMEOUT_MS = 5000;

/** What programs leave free of the memory of the GPU that trains. */
export async function freeGpuMemory(
  { name, adapter }: Session["device"],
): Promise<number | null> {
  if (!adapter || adapter.isSoftware) return null;
  const look = await lookAtGpu({ name, ...adapter });
  const { vramTotalBytes: total, vramUsedBytes: used } = look;
  return total === null ? null : total - (used ?? 0);
}

/**
 * Looks once, which for NVIDIA takes up to a second. Never fails.
 *
 * @param options What a test sets otherwise.
 */
export async function lookAtGpu(
  identity: GpuIdentity,
  { timeoutMs = ONCE_TIMEOUT_MS, root }: {
    timeoutMs?: number;
    /** Where the kernel lists graphics cards. */
    root?: string;
  } = {},
): Promise<GpuSample> {
  if (Number(identity.vendorId) === NVIDIA) {
    const gpus = (await nvidiaLines(timeoutMs)).map(parseNvidiaLine);
    const gpu = gpus.find((one) => one && isNvidiaGpu(one, identity));
    return gpu?.sample ?? NO_GPU_SAMPLE;
  }
  let sample = NO_GPU_SAMPLE;
  const read = async () => {
    const card = await findSysfsCard(identity, root);
    if (!card) return;
    const { energyJ: _ofNoUseAlone, ...known } = await readSysfsCard(card);
    sample = known;
  };
  await waitAtMost(timeoutMs, read());
  return sample;
}

async function nvidiaLines(timeoutMs: number): Promise<string[]> {
  let process: Deno.ChildProcess;
  try {
    process = new Deno.Command("nvidia-smi", {
      args: NVIDIA_SMI_QUERY,
      env: NVIDIA_SMI_ENV,
      stdin: "null",
      stdout: "piped",
      stderr: "null",
    }).spawn();
  } catch {
    return []; // not installed, or not allowed
  }
  const reader = process.stdout.pipeThrough(new TextDecoderStream())
    .getReader();
  let text = "";
  const read = async () => {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return await process.status;
      text += value;
      if (text.length > MOST_NONSENSE) return;
    }
  };
  await waitAtMost(timeoutMs, read());
  endAtOnce(process);
  reader.cancel().catch(() => {});
  return text.split("\n");
}
