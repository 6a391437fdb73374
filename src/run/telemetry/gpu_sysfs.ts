/**
 * Looks at an AMD or Intel GPU through the files of the Linux kernel.
 *
 * amdgpu gives utilization, memory, power and temperature; i915 and xe give
 * the energy used so far, from which power follows, and newer ones a
 * temperature. Sources: kernel documentation, gpu/amdgpu/thermal and
 * ABI/testing/sysfs-driver-intel-i915-hwmon.
 *
 * @module
 */

import {
  type GpuIdentity,
  type GpuSample,
  type GpuSampler,
  NO_GPU_SAMPLE,
  SAMPLE_INTERVAL_MS,
} from "./gpu_sample.ts";

/** Where the kernel lists graphics cards. */
const DRM_ROOT = "/sys/class/drm";

/** A card's directories. */
export interface SysfsCard {
  /** `/sys/class/drm/card0/device` */
  device: string;
  /** Its sensors, or null if the driver has none. */
  hwmon: string | null;
}

/** The card that is the adapter, or null if the kernel shows none. */
export async function findSysfsCard(
  { vendorId, deviceId }: GpuIdentity,
  root = DRM_ROOT,
): Promise<SysfsCard | null> {
  if (!(Number(vendorId) > 0)) return null;
  for (const name of (await namesIn(root)).sort()) {
    if (!/^card\d+$/.test(name)) continue; // else a connector, card0-DP-1
    const device = `${root}/${name}/device`;
    const [vendor, model] = await Promise.all([
      readNumber(`${device}/vendor`),
      readNumber(`${device}/device`),
    ]);
    if (vendor !== Number(vendorId) || model !== Number(deviceId)) continue;
    const [hwmon] = await namesIn(`${device}/hwmon`);
    return { device, hwmon: hwmon ? `${device}/hwmon/${hwmon}` : null };
  }
  return null;
}

/** What the files say, with the energy in joules for the next look. */
export async function readSysfsCard(
  { device, hwmon }: SysfsCard,
): Promise<GpuSample & { energyJ: number | null }> {
  const sensor = (name: string) =>
    hwmon === null ? null : readNumber(`${hwmon}/${name}`);
  const [util, used, total, average, input, temp, energy] = await Promise.all([
    readNumber(`${device}/gpu_busy_percent`),
    readNumber(`${device}/mem_info_vram_used`),
    readNumber(`${device}/mem_info_vram_total`),
    sensor("power1_average"), // microwatts; newer chips have only the next
    sensor("power1_input"),
    sensor("temp1_input"), // 1/1000 degree
    sensor("energy1_input"), // microjoules
  ]);
  const scaled = (value: number | null, unit: number) =>
    value === null ? null : value / unit;
  return {
    gpuUtilPct: util,
    vramUsedBytes: used,
    vramTotalBytes: total,
    powerW: scaled(average ?? input, 1e6),
    tempC: scaled(temp, 1e3),
    energyJ: scaled(energy, 1e6),
  };
}

/** How much energy a card had used at some time. */
export interface EnergyReading {
  joules: number;
  atMs: number;
}

/** Mean power between two readings; null if the counter began anew. */
export function meanPowerW(
  from: EnergyReading,
  to: EnergyReading,
): number | null {
  const joules = to.joules - from.joules, ms = to.atMs - from.atMs;
  return joules >= 0 && ms > 0 ? joules / (ms / 1000) : null;
}

/** A GPU that the kernel watches. */
export class SysfsSampler implements GpuSampler {
  readonly #intervalMs: number;
  readonly #looking: Promise<void>;
  #latest = NO_GPU_SAMPLE;
  #energy: EnergyReading | null = null;
  #closed = false;
  #wake = () => {};

  /** @param options What a test sets otherwise. */
  constructor(
    identity: GpuIdentity,
    { root, intervalMs = SAMPLE_INTERVAL_MS }: {
      root?: string;
      intervalMs?: number;
    } = {},
  ) {
    this.#intervalMs = intervalMs;
    this.#looking = this.#look(identity, root);
  }

  get latest(): GpuSample {
    return this.#latest;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#wake();
    await this.#looking;
  }

  async #look(identity: GpuIdentity, root?: string): Promise<void> {
    const card = await findSysfsCard(identity, root);
    while (card && !this.#closed) {
      const { energyJ, ...sample } = await readSysfsCard(card);
      if (energyJ !== null) {
        const energy = { joules: energyJ, atMs: performance.now() };
        sample.powerW ??= this.#energy && meanPowerW(this.#energy, energy);
        this.#energy = energy;
      }
      this.#latest = sample;
      if (!this.#closed) await this.#rest();
    }
  }

  /** Until the next look, or until the end. */
  #rest(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, this.#intervalMs);
      Deno.unrefTimer(timer); // the run decides how long this process lives
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    const entries = await Array.fromAsync(Deno.readDir(directory));
    return entries.map(({ name }) => name);
  } catch {
    return []; // no such directory, or not for us
  }
}

/** Decimal or 0x…; null if the file is missing or the driver refuses. */
async function readNumber(path: string): Promise<number | null> {
  try {
    const text = (await Deno.readTextFile(path)).trim();
    const value = text === "" ? NaN : Number(text);
    return Number.isFinite(value) ? value : null;
  } catch {
    return null; // this driver does not tell
  }
}
