/**
 * The graphics cards of a machine, each with the ways it can be worked with:
 * through WebGPU, or through its Vulkan driver itself; pure.
 *
 * Both name the same cards, WebGPU at most one of several equal ones, and a
 * card has one number whichever way it is taken. Vulkan is the usual way where
 * it was measured to be the faster one: with NVIDIA's driver on Linux.
 *
 * @module
 */

import type {
  AdapterInfo,
  FoundAdapter,
  GpuVendor,
} from "../webgpu/device/adapters.ts";

/** What a card can be worked with through. */
export type GpuApi = "vulkan" | "webgpu";

/** What they are called. */
export const API_NAMES: Readonly<Record<GpuApi, string>> = {
  vulkan: "Vulkan",
  webgpu: "WebGPU",
};

/** A card, or a driver that computes on the CPU. */
export interface GpuCard {
  /** `gpu:0`, `gpu:1` …, `software`, `software:1` … */
  readonly id: string;
  /** Its own name, such as `NVIDIA A30` or `llvmpipe (LLVM 15.0.6, …)`. */
  readonly name: string;
  /** Null if the maker is not known here. */
  readonly vendor: GpuVendor | null;
  /** Runs on the CPU; never taken unless asked for. */
  readonly isSoftware: boolean;
  /** Null where that does not show it. */
  readonly vulkan: FoundAdapter | null;
  readonly webgpu: FoundAdapter | null;
  /** How it is taken unless a way is named, best first; empty: not at all. */
  readonly usual: readonly FoundAdapter[];
}

/** What the drivers of a machine show. */
export interface ShownAdapters {
  readonly os: typeof Deno.build.os;
  readonly webgpu: readonly FoundAdapter[];
  readonly vulkan: readonly FoundAdapter[];
}

/** How Mesa's drivers call NVIDIA's cards: NVK, and Direct3D's in WSL. */
const BY_MESA = /\(NVK |Direct3D12/;

/** Where cards by NVIDIA are worked with through their drivers themselves. */
const VULKAN_SYSTEM = "linux";

type Pair = Pick<GpuCard, "vulkan" | "webgpu">;

/** What any way tells of a card. */
type Told = Pick<
  AdapterInfo,
  "name" | "vendorId" | "deviceId" | "isSoftware"
>;

/**
 * The cards in the order of their numbers: those whose usual way is Vulkan, as
 * it lists them, then as WebGPU does, then those that Vulkan alone shows.
 * Software comes last.
 */
export function joinCards({ os, webgpu, vulkan }: ShownAdapters): GpuCard[] {
  const pairs = pairUp(webgpu, vulkan);
  const alone = vulkan.filter((one) => !pairs.some((two) => two.vulkan === one))
    .map((one): Pair => ({ vulkan: one, webgpu: null }));
  const isByVulkan = (pair: Pair) => isVulkanUsual(pair, os);
  const place = ({ vulkan: one }: Pair) => vulkan.indexOf(one!);
  const all = [...pairs, ...alone];
  const ordered = [
    ...all.filter(isByVulkan).sort((a, b) => place(a) - place(b)),
    ...all.filter((one) => !isByVulkan(one)),
  ].sort((a, b) => Number(isSoftware(a)) - Number(isSoftware(b)));
  const counts = { gpu: 0, software: 0 };
  return ordered.map((pair) => {
    const kind = isSoftware(pair) ? "software" : "gpu";
    return numbered(pair, { kind, n: counts[kind]++, os });
  });
}

/** Whether NVIDIA's cards may be taken through Vulkan on this system. */
export function hasVulkanWay(os: ShownAdapters["os"]): boolean {
  return os === VULKAN_SYSTEM;
}

/**
 * Whether Vulkan should show a card and does not, so that something is in its
 * way; Mesa's drivers for NVIDIA's cards were not measured.
 */
export function lacksVulkan(
  card: GpuCard,
  os: ShownAdapters["os"],
): boolean {
  return hasVulkanWay(os) && card.vendor === "nvidia" && !card.vulkan &&
    !card.isSoftware && !BY_MESA.test(card.name);
}

/** Why a card has no way through Vulkan, if Vulkan is there. */
export const NO_NEW_VULKAN = "its driver shows none of version 1.3 or newer";

/** Each of WebGPU's adapters with the device that it stands for. */
function pairUp(
  webgpu: readonly FoundAdapter[],
  vulkan: readonly FoundAdapter[],
): Pair[] {
  // WebGPU takes the first that the loader names.
  const free = new Set(
    vulkan.toSorted((a, b) =>
      (a.info.vulkan?.place ?? 0) - (b.info.vulkan?.place ?? 0)
    ),
  );
  return webgpu.map((one) => {
    const alike = [...free].filter((other) => isAlike(one.info, other.info));
    // Two drivers may show a card, each with a name of its own.
    const found = alike.find(({ info }) => info.name === one.info.name) ??
      alike.at(0) ?? null;
    if (found) free.delete(found);
    return { webgpu: one, vulkan: found };
  });
}

/** Whether both may be the same card, by its ids or else by its name. */
export function isAlike(a: Told, b: Told): boolean {
  if (a.isSoftware !== b.isSoftware) return false;
  const hasIds = Number(a.vendorId) > 0 && Number(a.deviceId) > 0;
  return hasIds
    ? a.vendorId === b.vendorId && a.deviceId === b.deviceId
    : a.name === b.name;
}

function isSoftware({ vulkan, webgpu }: Pair): boolean {
  return (vulkan ?? webgpu)!.info.isSoftware;
}

function isVulkanUsual({ vulkan }: Pair, os: ShownAdapters["os"]): boolean {
  return hasVulkanWay(os) && vulkan !== null && !vulkan.info.isSoftware &&
    vulkan.info.vulkan?.isNvidiaDriver === true;
}

function numbered(
  pair: Pair,
  { kind, n, os }: {
    kind: "gpu" | "software";
    n: number;
    os: ShownAdapters["os"];
  },
): GpuCard {
  const { vulkan, webgpu } = pair;
  const id = kind === "software" && n === 0 ? kind : `${kind}:${n}`;
  const called = (found: FoundAdapter | null, id: string) =>
    found && { ...found, info: { ...found.info, id } };
  const ways = {
    vulkan: called(vulkan, kind === "gpu" ? `vulkan:${n}` : `vulkan:${id}`),
    webgpu: called(webgpu, kind === "gpu" ? `webgpu:${n}` : id),
  };
  const isByVulkan = isVulkanUsual(pair, os);
  const { name, vendor } = (isByVulkan ? vulkan : webgpu ?? vulkan)!.info;
  const usual = [...isByVulkan ? [ways.vulkan] : [], ways.webgpu]
    .filter((one) => one !== null);
  return { id, name, vendor, isSoftware: kind === "software", ...ways, usual };
}
