/**
 * All devices of this machine with what they can do, for people and `--json`.
 *
 * @module
 */

import { errorMessage } from "../../base/errors.ts";
import type { Backend } from "../backend.ts";
import { readCpuInfo } from "../cpu/cores.ts";
import { openCpuBackend } from "../cpu/cpu_backend.ts";
import { loadKernels } from "../cpu/kernels.ts";
import { unforgiving } from "../driver_trials.ts";
import {
  type AdapterInfo,
  type FoundAdapter,
  pciId,
} from "../webgpu/device/adapters.ts";
import {
  type DeviceSources,
  findCards,
  SYSTEM_DEVICES,
} from "./device_sources.ts";
import {
  type GpuApi,
  type GpuCard,
  lacksVulkan,
  NO_NEW_VULKAN,
} from "./gpu_cards.ts";
import { measureSpeed, type ProductShape } from "./measure.ts";

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

/** A way to a graphics card. */
export interface WayListing {
  /** `vulkan:0`, `webgpu:0` …: what `--device` takes for this way alone. */
  readonly id: string;
  /** What it leads through; the kernels are the same. */
  readonly backend: GpuApi;
  /** Whether it is taken unless another one is asked for. */
  readonly isUsual: boolean;
  /** Measured this way; see those of the card. */
  readonly gflops: number | null;
  /** Why it was not measured though it should be, or null. */
  readonly problem: string | null;
  /** What is shown of the card: limits, features, ids. */
  readonly adapter: AdapterInfo;
}

/** A graphics card. Its speed, limits and features are those of its first way. */
export interface AdapterListing extends CommonListing {
  /** The first of its ways. */
  readonly backend: GpuApi;
  /** As drivers and `lspci -n` name it: `10de:2330`; null if unknown. */
  readonly pciId: string | null;
  /** What is shown of it that way: limits, features, ids. */
  readonly adapter: AdapterInfo;
  /** The usual one first; never empty. */
  readonly ways: readonly WayListing[];
  /** Why its usual way is not the better one, which others have; or null. */
  readonly noVulkan: string | null;
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

/** All devices: real cards, the CPU, and adapters that run on the CPU. */
export async function listDevices(
  options: ListOptions = {},
): Promise<DeviceListing[]> {
  const { measure = false, sources = SYSTEM_DEVICES } = options;
  const { cards, noVulkan } = await findCards(sources, {
    api: sources.os === "darwin" ? null : "vulkan", // that has Metal instead
  });
  const requests = requestsOf(cards);
  const listings: AdapterListing[] = [];
  for (const card of cards) { // in turn: they are timed
    listings.push({
      ...await describeCard(card, options),
      requests: requests.get(card)!,
      noVulkan: lacksVulkan(card, sources.os)
        ? noVulkan ?? NO_NEW_VULKAN
        : null,
    });
  }
  const cpu = await describeCpu({ measure });
  const isSoftware = ({ adapter }: AdapterListing) => adapter.isSoftware;
  return [
    ...listings.filter((one) => !isSoftware(one)),
    cpu,
    ...listings.filter(isSoftware),
  ];
}

async function describeCard(
  card: GpuCard,
  { measure = false, memoryOf, sources = SYSTEM_DEVICES }: ListOptions,
): Promise<Omit<AdapterListing, "requests" | "noVulkan">> {
  const { id, name, isSoftware, vulkan, webgpu, usual } = card;
  const found = [vulkan, webgpu].filter((one) => one !== null)
    .sort((a, b) => rank(card, a) - rank(card, b));
  const ways: WayListing[] = [];
  for (const one of found) {
    ways.push({
      id: one.info.id,
      backend: one === vulkan ? "vulkan" : "webgpu",
      isUsual: one === usual.at(0),
      ...measure
        ? await timed(
          () => openTried(one, sources),
          isSoftware ? CPU_SHAPE : GPU_SHAPE,
        )
        : UNTIMED,
      adapter: one.info,
    });
  }
  const [{ backend, gflops, problem, adapter }] = ways;
  return {
    ...{ id, backend, name, gflops, problem },
    memoryBytes: isSoftware
      ? Deno.systemMemoryInfo().total
      : adapter.vulkan?.memoryBytes ?? await memoryOf?.(adapter) ??
        vulkan?.info.vulkan?.memoryBytes ?? null,
    pciId: pciId(adapter),
    ...{ adapter, ways },
  };
}

/** Opens an adapter, unless its driver is known to crash. */
async function openTried(
  adapter: FoundAdapter,
  sources: DeviceSources,
): Promise<Backend> {
  const trials = await sources.trialsOf(adapter);
  if (trials.whyNot !== null) throw new Error(trials.whyNot);
  return await sources.openGpu(adapter, {
    precision: "fp32",
    trials: unforgiving(trials),
  });
}

/** The usual ways first. */
function rank({ usual }: GpuCard, way: FoundAdapter): number {
  const place = usual.indexOf(way);
  return place < 0 ? usual.length : place;
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

/** What means each card: its id, its place among NVIDIA's, its name. */
function requestsOf(cards: readonly GpuCard[]): Map<GpuCard, string[]> {
  const nvidia = cards.filter(({ vendor, isSoftware }) =>
    vendor === "nvidia" && !isSoftware
  );
  return new Map(cards.map((one) => {
    const { id, name, usual, vulkan } = one;
    const byVulkan = usual.length === 0 ? "vulkan:" : "";
    const place = nvidia.indexOf(one);
    const word = tellingWord(name, cards);
    return [one, [
      byVulkan ? vulkan!.info.id : id,
      ...place >= 0 ? [`${byVulkan}cuda:${place}`] : [],
      ...word ? [byVulkan + word] : [],
    ]];
  }));
}

/** Words that mean something else to `--device`. */
const OTHER_MEANING = /^(auto|cpu|gpu|cuda|software|vulkan|webgpu)$/i;
/** Words of many names: other machines have cards that they tell nothing of. */
const COMMON_WORD =
  /^(device|graphics|adapter|laptop|mobile|design|generation|with|max-q|ti|super|nvl|pcie|sxm\d*|hbm\w*|\d+gb)$/i;

/** The word of a name that tells a card from others, such as A30; if any. */
function tellingWord(
  name: string,
  cards: readonly GpuCard[],
): string | undefined {
  const telling = name.replace(/ \(.*/, "").trim().split(/\s+/)
    .filter((word) =>
      !OTHER_MEANING.test(word) &&
      cards.filter((other) =>
          other.name.toLowerCase().includes(word.toLowerCase())
        ).length === 1
    );
  const own = telling.filter((word) =>
    word.length > 1 && !COMMON_WORD.test(word)
  );
  return own.findLast((word) => /\d/.test(word)) ?? own.at(-1) ??
    telling.at(-1);
}
