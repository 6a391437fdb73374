/**
 * Where the devices of a machine come from; tests bring their own.
 *
 * @module
 */

import { errorMessage } from "../../base/errors.ts";
import type { Backend } from "../backend.ts";
import { readCpuInfo } from "../cpu/cores.ts";
import { openCpuBackend } from "../cpu/cpu_backend.ts";
import {
  type DriverTrials,
  NO_TRIALS,
  openDriverTrials,
} from "../driver_trials.ts";
import { type FoundAdapter, listAdapters } from "../webgpu/device/adapters.ts";
import {
  type GpuApi,
  type GpuCard,
  hasVulkanWay,
  joinCards,
} from "./gpu_cards.ts";
import { type Card, listCards } from "./gpu_findings.ts";
import { measureSpeed } from "./measure.ts";

/** Arithmetic of matrix products. */
export type Precision = "fp32" | "bf16" | "fp16";

/** What the machine is asked for. */
export interface DeviceSources {
  /** The system, which decides about the usual way to a card. */
  readonly os: typeof Deno.build.os;
  /** A variable of the environment. */
  env(name: string): string | undefined;
  listAdapters(): Promise<FoundAdapter[]>;
  /**
   * Those that can be worked with through their drivers themselves.
   *
   * @throws {Error} If there is no Vulkan; with the reason, in one line.
   */
  listVulkan(): Promise<FoundAdapter[]>;
  /** Of the PCI bus, whether or not a driver shows them. */
  listCards(): Card[];
  /** Threads that the cores run at a time. */
  readonly hardwareThreads: number;
  openCpu: typeof openCpuBackend;
  /** What is known of the driver of an adapter. */
  trialsOf(adapter: FoundAdapter): Promise<DriverTrials>;
  openGpu(
    adapter: FoundAdapter,
    options: { precision: Precision; trials?: DriverTrials },
  ): Promise<Backend>;
  measureSpeed: typeof measureSpeed;
}

/** The devices of this machine. */
export const SYSTEM_DEVICES: DeviceSources = {
  os: Deno.build.os,
  env(name) {
    try {
      return Deno.env.get(name);
    } catch {
      return undefined; // not permitted
    }
  },
  listAdapters,
  async listVulkan() {
    const { listVulkanAdapters } = await import("../vulkan/adapters.ts");
    return listVulkanAdapters();
  },
  listCards,
  hardwareThreads: readCpuInfo().hardwareThreads,
  openCpu: openCpuBackend,
  async trialsOf({ info }) {
    const { id, name: card, vendorId, deviceId, isSoftware, vulkan } = info;
    // Others are taken only by who asks for them.
    if (!vulkan || isSoftware || !hasVulkanWay(Deno.build.os)) return NO_TRIALS;
    const { driver } = vulkan;
    const tried = { driver, card, vendorId, deviceId };
    return await openDriverTrials(tried, { again: `--device ${id}` });
  },
  async openGpu(adapter, options) {
    // Only who opens an adapter needs the generators of shaders.
    const { openWebGpuBackend } = await import("../webgpu/webgpu_backend.ts");
    return await openWebGpuBackend(adapter, options);
  },
  measureSpeed,
};

/** The cards of a machine. */
export interface FoundCards {
  readonly cards: GpuCard[];
  /** Why there is no Vulkan, where it was looked for and is not there. */
  readonly noVulkan: string | null;
}

const NVIDIA = 0x10de;

/**
 * Looks for cards. Vulkan's drivers are asked where they may be the usual way
 * to a card, and where that is the way asked for. Who asks for WebGPU may have
 * trouble with them, so for that only where numbers depend on what they show.
 */
export async function findCards(
  sources: Pick<
    DeviceSources,
    "os" | "listAdapters" | "listVulkan" | "listCards"
  >,
  { api = null }: { api?: GpuApi | null } = {},
): Promise<FoundCards> {
  const { os } = sources;
  const webgpu = await sources.listAdapters();
  const isAsked = api === "vulkan" || hasVulkanWay(os) &&
      mayBeByVulkan(webgpu, { cards: sources.listCards(), api });
  let found: FoundAdapter[] = [];
  let noVulkan = null;
  try {
    if (isAsked) found = await sources.listVulkan();
  } catch (error) {
    noVulkan = errorMessage(error);
  }
  return { cards: joinCards({ os, webgpu, vulkan: found }), noVulkan };
}

/** Whether Vulkan may be the usual way to a card: to one by NVIDIA. */
function mayBeByVulkan(
  webgpu: readonly FoundAdapter[],
  { cards, api }: { cards: readonly Card[]; api: GpuApi | null },
): boolean {
  const place = webgpu.findIndex(({ info }) => info.vendor === "nvidia");
  // Beside two other GPUs, WebGPU does not show it.
  const count = cards.filter(({ vendorId }) => vendorId === NVIDIA).length;
  // The only one, and WebGPU's first, is number 0 in any case.
  const isFirst = place === 0 && count <= 1;
  return (place >= 0 || count > 0) && !(api === "webgpu" && isFirst);
}
