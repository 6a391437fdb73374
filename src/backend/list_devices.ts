/**
 * All devices of this machine with what they can do, for people and `--json`.
 *
 * @module
 */

import { errorMessage } from "../base/errors.ts";
import type { Backend } from "./backend.ts";
import { readCpuInfo } from "./cpu/cores.ts";
import { openCpuBackend } from "./cpu/cpu_backend.ts";
import { loadKernels } from "./cpu/kernels.ts";
import { type DeviceSources, listVulkan, SYSTEM_DEVICES } from "./devices.ts";
import { measureSpeed, type ProductShape } from "./measure.ts";
import { type AdapterInfo, pciId } from "./webgpu/adapters.ts";

/** What every device has. */
export interface CommonListing {
  /** `cpu`, `gpu:0` … */
  readonly id: string;
  /** The CPU's or the adapter's own name. */
  readonly name: string;
  /** Of the CPU: main memory. Null if nobody tells. */
  readonly memoryBytes: number | null;
  /** Measured fp32 matrix product in GFLOP/s; null if it was not measured. */
  readonly gflops: number | null;
  /** Why it was not measured though it should be, or null. */
  readonly problem: string | null;
  /** What `--device` takes for it. */
  readonly requests: readonly string[];
}

/** The CPU. */
export interface CpuListing extends CommonListing {
  /** Which executor runs there. */
  readonly backend: "cpu";
  /** Physical cores that this process may use. */
  readonly cores: number;
  /** Threads that the cores run at once, hyper-threads included. */
  readonly hardwareThreads: number;
  /** Which kernels run there, in words. */
  readonly kernels: string;
  /** Why matrix products do not run in native code, or null. */
  readonly noNative: string | null;
}

/** A graphics adapter. */
export interface AdapterListing extends CommonListing {
  /** What it is reached through; the kernels are the same. */
  readonly backend: "webgpu" | "vulkan";
  /** As drivers and `lspci -n` name it: `10de:2330`; null if unknown. */
  readonly pciId: string | null;
  /** What WebGPU tells of it: limits, features, ids. */
  readonly adapter: AdapterInfo;
}

/** A device of this machine. */
export type DeviceListing = CpuListing | AdapterListing;

/** What to find out. */
export interface ListOptions {
  /** Whether to time a matrix product on each: a second or two. */
  measure?: boolean;
  /** Asks the system for the memory of an adapter. */
  memoryOf?: (adapter: AdapterInfo) => Promise<number | null>;
  sources?: DeviceSources;
}

/** All three matrices of that side fit the caches of any CPU. */
const CPU_SHAPE: ProductShape = { M: 512, K: 512, N: 512 };
/** Large enough to fill a GPU, and 60 ms on a slow one. */
const GPU_SHAPE: ProductShape = { M: 2048, K: 2048, N: 2048 };

/** All devices: real adapters, the CPU, and adapters that run on the CPU. */
export async function listDevices(
  { measure = false, memoryOf, sources = SYSTEM_DEVICES }: ListOptions = {},
): Promise<DeviceListing[]> {
  const webGpu = await sources.listAdapters();
  const { found: vulkan } = await listVulkan(sources);
  const requests = new Map([
    ...requestsOf(webGpu.map(({ info }) => info)),
    ...requestsOf(vulkan.map(({ info }) => info)),
  ]);
  const adapters: AdapterListing[] = [];
  for (const one of [...webGpu, ...vulkan]) { // in turn: they are timed
    const { info } = one;
    adapters.push({
      id: info.id,
      backend: info.vulkan ? "vulkan" : "webgpu",
      name: info.name,
      memoryBytes: info.isSoftware
        ? Deno.systemMemoryInfo().total
        : info.vulkan?.memoryBytes ?? await memoryOf?.(info) ?? null,
      ...measure
        ? await timed(
          () => sources.openGpu(one, { precision: "fp32" }),
          info.isSoftware ? CPU_SHAPE : GPU_SHAPE,
        )
        : UNTIMED,
      requests: requests.get(info)!,
      pciId: pciId(info),
      adapter: info,
    });
  }
  const cpu = await describeCpu({ measure });
  const isSoftware = ({ adapter }: AdapterListing) => adapter.isSoftware;
  return [
    ...adapters.filter((one) => !isSoftware(one)),
    cpu,
    ...adapters.filter(isSoftware),
  ];
}

const UNTIMED = { gflops: null, problem: null };

async function describeCpu(
  { measure }: { measure: boolean },
): Promise<CpuListing> {
  const { name, cores, hardwareThreads } = readCpuInfo();
  const { label: kernels, noNative } = loadKernels();
  return {
    id: "cpu",
    backend: "cpu",
    name,
    memoryBytes: Deno.systemMemoryInfo().total,
    ...measure ? await timed(openCpuBackend, CPU_SHAPE) : UNTIMED,
    requests: ["cpu"],
    cores,
    hardwareThreads,
    kernels,
    noNative,
  };
}

/** GFLOP/s, or why it cannot be measured. */
async function timed(
  open: () => Promise<Backend>,
  shape: ProductShape,
): Promise<{ gflops: number | null; problem: string | null }> {
  try {
    const backend = await open();
    try {
      const { gflops } = await measureSpeed(backend, shape);
      return { gflops, problem: null };
    } finally {
      await backend.dispose();
    }
  } catch (error) {
    return { gflops: null, problem: errorMessage(error) };
  }
}

/** What means each of a list: its id, its place among NVIDIA's, its name. */
function requestsOf(
  adapters: readonly AdapterInfo[],
): Map<AdapterInfo, string[]> {
  const nvidia = adapters.filter(({ vendor }) => vendor === "nvidia");
  return new Map(adapters.map((one) => {
    const { id, name, vulkan } = one;
    const place = nvidia.indexOf(one);
    // The words of the name that tell it from the others, such as A30.
    const words = name.replace(/ \(.*/, "").trim().split(/\s+/);
    const isTelling = (word: string) =>
      adapters.filter((other) => other.name.includes(word)).length === 1;
    const word = words.toReversed().find(isTelling);
    return [one, [
      id,
      ...place >= 0 && !vulkan ? [`cuda:${place}`] : [],
      ...word ? [vulkan ? `vulkan:${word}` : word] : [],
    ]];
  }));
}
