/**
 * The graphics adapters that WebGPU shows to this process.
 *
 * WebGPU has no list of adapters; it answers a wish with one. So the three
 * wishes there are (fast, frugal, software) are asked for, and answers that
 * mean the same adapter are merged. Of several equal cards it shows the first
 * that the system names: which one, the variables in docs/tuning.md decide.
 *
 * @module
 */

import type { MatrixUnit } from "./matrix_unit.ts";

/** Makers whose adapters need different advice. */
export type GpuVendor =
  | "nvidia"
  | "amd"
  | "intel"
  | "apple"
  | "qualcomm"
  | "arm"
  | "mesa"
  | "microsoft";

/** An adapter as it describes itself, for people and for `--json`. */
export interface AdapterInfo {
  /**
   * How to ask for it and nothing else: `webgpu:0`, `vulkan:0` …; the number is
   * that of the card. Of those that run on the CPU, `software` is WebGPU's.
   */
  readonly id: string;
  /** Its own name, such as `NVIDIA A30` or `llvmpipe (LLVM 15.0.6, …)`. */
  readonly name: string;
  /** Runs on the CPU; never taken unless asked for. */
  readonly isSoftware: boolean;
  /** Null if the id is not known here. */
  readonly vendor: GpuVendor | null;
  /** PCI vendor id as a decimal string, as WebGPU gives it; "" if unknown. */
  readonly vendorId: string;
  /** PCI device id as a decimal string; "" if unknown. */
  readonly deviceId: string;
  /** Where on the PCI bus, `0000:65:00.0`; absent if nobody tells. */
  readonly pciAddress?: string;
  /** 16 bytes in hexadecimal, by which NVIDIA's tools know it as well. */
  readonly uuid?: string;
  /** `vulkan`, `metal`, `dx12` or `gl`; null if several may have answered. */
  readonly api: string | null;
  /** Lanes that run in step, or null if it does not tell. */
  readonly subgroupSizes: readonly [min: number, max: number] | null;
  /** Optional WebGPU features, sorted. */
  readonly features: readonly string[];
  /** The most that a device of this adapter may be asked for. */
  readonly limits: Readonly<Record<string, number>>;
  /** What it multiplies in one instruction; WebGPU shows none. */
  readonly matrixUnits?: readonly MatrixUnit[];
  /** Of one that is worked with through its driver itself (../vulkan/). */
  readonly vulkan?: VulkanFacts;
}

/** What its driver tells of a device, and WebGPU does not. */
export interface VulkanFacts {
  /** Its name and version in words, such as `NVIDIA 580.95.05`. */
  readonly driver: string;
  /** Whether the driver is NVIDIA's own, not Mesa's for its cards. */
  readonly isNvidiaDriver: boolean;
  /** As a number, each driver in its own way. */
  readonly driverVersion: number;
  /** Of its own memory; for a device without, of what it shares. */
  readonly memoryBytes: number;
  /** At which place the loader names it: it tells WebGPU's of equal cards. */
  readonly place: number;
}

/** An adapter that can be opened. */
export interface FoundAdapter {
  readonly info: AdapterInfo;
  /**
   * Asks for the adapter once more, because one serves only one device.
   * Null if it is gone.
   */
  request(): Promise<GPUAdapter | null>;
}

/** An adapter that has no number yet. */
export type Description = Omit<AdapterInfo, "id">;

/** The part of WebGPU that is needed here; tests bring their own. */
export type AdapterSource = Pick<GPU, "requestAdapter">;

/** All that WebGPU lets one wish for. */
const WISHES: readonly GPURequestAdapterOptions[] = [
  { powerPreference: "high-performance" },
  { powerPreference: "low-power" },
  { forceFallbackAdapter: true },
];

/** From https://pcisig.com and the Khronos list of Vulkan vendor ids. */
const VENDORS: Readonly<Record<number, GpuVendor>> = {
  0x10de: "nvidia",
  0x1002: "amd",
  0x1022: "amd",
  0x8086: "intel",
  0x106b: "apple",
  0x5143: "qualcomm",
  0x13b5: "arm",
  0x10005: "mesa",
  0x1414: "microsoft",
};

/** Names of rasterizers that run on the CPU, in case they do not say so. */
const SOFTWARE =
  /llvmpipe|lavapipe|softpipe|swiftshader|microsoft basic render|\bwarp\b/i;

/** Deno reads it at the first request: which interfaces to search. */
const API_VARIABLE = "DENO_WEBGPU_BACKEND";

/** The graphics interface that a system's drivers are made for first. */
const SYSTEM_API: Partial<Record<typeof Deno.build.os, string>> = {
  linux: "vulkan",
  darwin: "metal",
};

/**
 * All adapters that WebGPU can be made to show, real ones first, in the order
 * of their ids. Empty if there is none; never fails.
 */
export async function listAdapters(
  gpu: AdapterSource | null = globalGpu(),
): Promise<FoundAdapter[]> {
  if (!gpu) return [];
  const api = chooseApi();
  const found: { info: Description; request: FoundAdapter["request"] }[] = [];
  for (const wish of WISHES) {
    const request = () => gpu.requestAdapter(wish).catch(() => null);
    const adapter = await request();
    const info = adapter && describe(adapter, api);
    if (info && !found.some((known) => isSame(known.info, info))) {
      found.push({ info, request });
    }
    // The first wish gets nothing, or software, only where there is no more.
    if (found.length === 0 || found[0].info.isSoftware) break;
  }
  const counts = { webgpu: 0, software: 0 };
  return found
    .sort((a, b) => Number(a.info.isSoftware) - Number(b.info.isSoftware))
    .map(({ info, request }) => {
      const kind = info.isSoftware ? "software" : "webgpu";
      const n = counts[kind]++;
      const id = kind === "software" && n === 0 ? kind : `${kind}:${n}`;
      return { info: { id, ...info }, request };
    });
}

/** `10de:2330`, as lspci writes it; null if the adapter does not tell. */
export function pciId(
  { vendorId, deviceId }: Pick<AdapterInfo, "vendorId" | "deviceId">,
): string | null {
  const hex = (id: string) => Number(id).toString(16).padStart(4, "0");
  return Number(vendorId) > 0 && Number(deviceId) > 0
    ? `${hex(vendorId)}:${hex(deviceId)}`
    : null;
}

/** An adapter in its own words. @param api How it was found, if known. */
export function describe(
  adapter: Pick<GPUAdapter, "info" | "features" | "limits">,
  api: string | null,
): Description {
  const { vendor, device, description, isFallbackAdapter } = adapter.info;
  const { subgroupMinSize: min, subgroupMaxSize: max } = adapter.info;
  const limits: Record<string, number> = {};
  for (const name in adapter.limits) { // they are getters of the prototype
    const value = adapter.limits[name as keyof GPUSupportedLimits];
    if (typeof value === "number") limits[name] = value;
  }
  return {
    name: description || vendor || "unnamed adapter",
    isSoftware: isFallbackAdapter || SOFTWARE.test(description),
    vendor: VENDORS[Number(vendor)] ?? null,
    vendorId: vendor,
    deviceId: device,
    api,
    subgroupSizes: min > 0 ? [min, max] : null,
    features: [...adapter.features].sort(),
    limits,
  };
}

function isSame(a: Description, b: Description): boolean {
  return a.vendorId === b.vendorId && a.deviceId === b.deviceId &&
    a.name === b.name;
}

/**
 * What to set in the environment before the first request; pure.
 *
 * Searches the system's own interface, unless the user has said what to
 * search: looking for OpenGL costs 0.4 s on a server, has crashed in drivers,
 * and what it finds cannot compute well. And keeps Mesa's layer that orders
 * adapters from looking for a desktop where there is none, as it complains on
 * stderr (Mesa 22.3: `XDG_RUNTIME_DIR is invalid or not set`).
 */
export function loaderVariables(
  os: typeof Deno.build.os,
  env: Readonly<Record<string, string>>,
): Record<string, string> {
  const api = SYSTEM_API[os];
  const asks = ["MESA_VK_DEVICE_SELECT", "DRI_PRIME", "NODEVICE_SELECT"];
  const isQuiet = os !== "linux" || env.XDG_RUNTIME_DIR ||
    asks.some((name) => name in env);
  return {
    ...api && !env[API_VARIABLE] && { [API_VARIABLE]: api },
    ...!isQuiet && { NODEVICE_SELECT: "1" },
  };
}

/** Readies the environment. @returns The interface, if one is searched. */
export function chooseApi(): string | null {
  try {
    const variables = loaderVariables(Deno.build.os, Deno.env.toObject());
    for (const [name, value] of Object.entries(variables)) {
      Deno.env.set(name, value);
    }
    const api = Deno.env.get(API_VARIABLE);
    return api && !api.includes(",") ? api : null;
  } catch {
    return null; // no permission to look at the environment: search all
  }
}

/** Whether this runtime was built with WebGPU. */
export function hasWebGpu(): boolean {
  return globalGpu() !== null;
}

function globalGpu(): GPU | null {
  return (navigator as Partial<Navigator>).gpu ?? null;
}
