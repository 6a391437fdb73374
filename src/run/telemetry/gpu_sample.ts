/**
 * What a look at a GPU tells, and who can look.
 *
 * @module
 */

/** One look at a GPU; null is unknown. */
export interface GpuSample {
  /** Share of the last second in which some kernel ran, 0 to 100. */
  gpuUtilPct: number | null;
  /** By all processes together. */
  vramUsedBytes: number | null;
  /** What the card has. */
  vramTotalBytes: number | null;
  /** Drawn by the card, in watts. */
  powerW: number | null;
  /** Of the chip, in degrees Celsius. */
  tempC: number | null;
}

/** Nothing is known. */
export const NO_GPU_SAMPLE: GpuSample = {
  gpuUtilPct: null,
  vramUsedBytes: null,
  vramTotalBytes: null,
  powerW: null,
  tempC: null,
};

/** How the driver's tools can recognize the adapter that trains. */
export interface GpuIdentity {
  /** The adapter's own name. */
  readonly name: string;
  /** PCI ids as decimal strings, as WebGPU gives them; "" if unknown. */
  readonly vendorId: string;
  readonly deviceId: string;
  /** Where it is, `0000:65:00.0`, which tells it from others of its model. */
  readonly pciAddress?: string;
  /** In hexadecimal, as Vulkan and NVIDIA know it; where no address is known. */
  readonly uuid?: string;
}

/** Looks at one GPU in the background. */
export interface GpuSampler {
  /** The newest look, without waiting; unknown if there is none or it is old. */
  readonly latest: GpuSample;
  /** Ends the looking: no process and no timer is left. Never fails. */
  close(): Promise<void>;
}

/** Between two looks. */
export const SAMPLE_INTERVAL_MS = 1000;
/** A look this old tells nothing about now. */
export const STALE_MS = 5000;

/** A driver that hangs does not hold up the end of a run for longer. */
export const CLOSE_MS = 2000;

/** Waits for the end of `work`, or for so long. Never fails. */
export async function waitAtMost(
  ms: number,
  work: Promise<unknown>,
): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  try {
    await Promise.race([work, late]);
  } catch {
    // It has ended, which is what was waited for.
  } finally {
    clearTimeout(timer);
  }
}
