/** Machines as they are told, and what openBackend() takes of them. */

import type { Backend } from "../../../src/backend/backend.ts";
import {
  type DeviceSources,
  SYSTEM_DEVICES,
} from "../../../src/backend/devices/device_sources.ts";
import { openBackend } from "../../../src/backend/devices/open_backend.ts";
import {
  type DriverTrials,
  NO_TRIALS,
} from "../../../src/backend/driver_trials.ts";
import { listAdapters } from "../../../src/backend/webgpu/device/adapters.ts";
import { adapter, vulkanAdapter } from "./_fake_adapter.ts";

/** What is asked for. */
export type Choice = Parameters<typeof openBackend>[0];

/** A machine without graphics adapters. */
export const CPU_ONLY: DeviceSources = {
  ...SYSTEM_DEVICES,
  listAdapters: () => Promise.resolve([]),
  listVulkan: () => Promise.reject(new Error("libvulkan.so.1 is missing")),
  listCards: () => [],
  trialsOf: () => Promise.resolve(NO_TRIALS),
  env: () => undefined,
};

/** Opens and closes; what matters is which device it was, and what was said. */
export async function choose(choice: Choice, sources = CPU_ONLY) {
  const { backend, warnings, notes } = await openBackend(choice, sources);
  await backend.dispose();
  return { ...backend.device, warnings, notes };
}

/**
 * A machine with two A30, of which WebGPU shows the first, and a software
 * adapter; the GPUs compute nothing.
 */
export function gpuMachine(
  {
    os = "linux",
    env = {},
    cardCount = 2,
    fails,
    failing = /^/,
    vulkan = VULKAN_A30S,
    gflops = { cpu: 100, gpu: 1000 },
    callUs = { cpu: 1, gpu: 10 },
    features,
    trials = () => Promise.resolve(NO_TRIALS),
  }: {
    os?: typeof Deno.build.os;
    env?: Record<string, string>;
    /** Cards on the PCI bus. */
    cardCount?: number;
    fails?: string;
    /** Which ways fail with that. */
    failing?: RegExp;
    vulkan?: typeof VULKAN_A30S | Error;
    features?: string[];
    gflops?: { cpu: number; gpu: number };
    callUs?: { cpu: number; gpu: number };
    /** Of the drivers of cards that are reached through Vulkan. */
    trials?: (id: string) => Promise<DriverTrials>;
  } = {},
) {
  const events: string[] = [];
  const a30 = adapter({
    ...{ name: "NVIDIA A30", vendor: 0x10de, device: 0x20b7, features },
  });
  const slow = adapter({ name: "llvmpipe (LLVM 15)", isFallback: true });
  const sources: DeviceSources = {
    os,
    env: (name) => env[name],
    listCards: () => new Array(cardCount).fill(CARD),
    listVulkan: () => {
      events.push("list vulkan");
      if (vulkan instanceof Error) return Promise.reject(vulkan);
      return Promise.resolve(vulkan(features));
    },
    listAdapters() {
      events.push("list");
      return listAdapters({
        requestAdapter: (wish) =>
          Promise.resolve(wish?.forceFallbackAdapter ? slow : a30),
      });
    },
    hardwareThreads: SYSTEM_DEVICES.hardwareThreads,
    openCpu: (options) => {
      events.push("open cpu");
      return SYSTEM_DEVICES.openCpu(options);
    },
    trialsOf: ({ info }) =>
      info.vulkan ? trials(info.id) : Promise.resolve(NO_TRIALS),
    openGpu({ info }, { precision }) {
      events.push(`open ${info.id} ${precision}`);
      const { id, name } = info;
      if (fails && failing.test(id)) return Promise.reject(new Error(fails));
      const backend = info.vulkan ? "vulkan" : "webgpu";
      const device = { backend, id, name, kernels: "wgsl" } as const;
      return Promise.resolve({
        device,
        dispose: () => Promise.resolve(void events.push(`close ${id}`)),
      } as Backend);
    },
    measureSpeed({ device }) {
      const kind = device.backend === "cpu" ? "cpu" : "gpu";
      events.push(`measure ${kind}`);
      return Promise.resolve({ gflops: gflops[kind], callUs: callUs[kind] });
    },
  };
  return { sources, events };
}

const CARD = { vendorId: 0x10de, deviceId: 0x20b7, driver: "nvidia" };

/** Two equal cards, as their driver names them. */
const VULKAN_A30S = (features?: string[]) =>
  [0, 1].map((place) =>
    vulkanAdapter(
      adapter({
        ...{ name: "NVIDIA A30", vendor: 0x10de, device: 0x20b7, features },
      }),
      { place },
    )
  );
