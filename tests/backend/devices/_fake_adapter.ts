import {
  describe,
  type FoundAdapter,
  type VulkanFacts,
} from "../../../src/backend/webgpu/device/adapters.ts";

/** An adapter that only describes itself. */
export function adapter(
  {
    name,
    vendor = 0,
    device = 0,
    isFallback = false,
    features = ["subgroups", "shader-f16"],
  }: {
    name: string;
    /** PCI ids. */
    vendor?: number;
    device?: number;
    isFallback?: boolean;
    features?: string[];
  },
): GPUAdapter {
  // Limits are getters of a prototype, as those of a real adapter.
  const limits = Object.create({ maxBufferSize: 1 << 28 });
  return {
    info: {
      vendor: String(vendor),
      device: String(device),
      description: name,
      architecture: "",
      isFallbackAdapter: isFallback,
      subgroupMinSize: 32,
      subgroupMaxSize: 32,
    },
    limits,
    features: new Set(features),
  } as unknown as GPUAdapter;
}

/** The same, as its Vulkan driver shows it. */
export function vulkanAdapter(
  gpu: GPUAdapter,
  { pciAddress, ...facts }: Partial<VulkanFacts> & { pciAddress?: string } = {},
): FoundAdapter {
  const info = describe(gpu, "vulkan");
  return {
    info: {
      id: "vulkan:9", // numbers are given to cards
      ...info,
      ...pciAddress && { pciAddress },
      uuid: "0".repeat(32),
      vulkan: {
        driver: "fake 1.0",
        isNvidiaDriver: info.vendor === "nvidia",
        driverVersion: 1,
        memoryBytes: 24e9,
        place: 0,
        ...facts,
      },
    },
    request: () => Promise.resolve(null),
  };
}
