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
