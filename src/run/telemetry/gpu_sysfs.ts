/**
 * Looks at an AMD or Intel GPU through the files of the Linux kernel.
 *
 * amdgpu gives utilization, memory, power and temperature; i915 and xe give
 * the energy used so far, from which power follows, and newer ones a
 * temperature. Sources: kernel documentation, gpu/amdgpu/thermal,
 * ABI/testing/sysfs-driver-intel-i915-hwmon and sysfs-driver-intel-xe-hwmon.
 * Where a driver hangs, so does who reads them.
 *
 * @module
 */

import { normalizePciAddress } from "../../base/pci_address.ts";
import {
  CLOSE_MS,
  type GpuIdentity,
  type GpuSample,
  type GpuSampler,
  NO_GPU_SAMPLE,
  SAMPLE_INTERVAL_MS,
  STALE_MS,
  waitAtMost,
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

/**
 * The card that is the adapter, or null if the kernel shows none. Of several of
 * one model it is the first, if the adapter does not tell where it is.
 */
export async function findSysfsCard(
  { vendorId, deviceId, pciAddress }: GpuIdentity,
  root = DRM_ROOT,
): Promise<SysfsCard | null> {
  if (!(Number(vendorId) > 0)) return null;
  for (const name of (await namesIn(root)).sort()) {
    if (!/^card\d+$/.test(name)) continue; // else a connector, card0-DP-1
    const device = `${root}/${name}/device`;
    const [vendor, model, place] = await Promise.all([
      readNumber(`${device}/vendor`),
      readNumber(`${device}/device`),
      readPciAddress(device),
    ]);
    if (vendor !== Number(vendorId) || model !== Number(deviceId)) continue;
    if (place && pciAddress && place !== pciAddress) continue; // its twin
    return { device, hwmon: await findSensors(`${device}/hwmon`) };
  }
  return null;
}

/** Those of the whole card: i915 has some for each of its parts as well. */
async function findSensors(root: string): Promise<string | null> {
  const names = (await namesIn(root)).sort();
  for (const name of names) {
    const driver = await readText(`${root}/${name}/name`);
    if (/^(amdgpu|i915|xe)$/.test(driver ?? "")) return `${root}/${name}`;
  }
  return names.length > 0 ? `${root}/${names[0]}` : null;
}

/** What the files say, with the energy in joules for the next look. */
export async function readSysfsCard(
  { device, hwmon }: SysfsCard,
): Promise<GpuSample & { energyJ: number | null }> {
  /** The first that there is. */
  const sensor = async (...names: string[]) => {
    if (hwmon === null) return null;
    for (const name of names) {
      const value = await readNumber(`${hwmon}/${name}`);
      if (value !== null) return value;
    }
    return null;
  };
  const [util, used, total, power, temp, energy] = await Promise.all([
    readNumber(`${device}/gpu_busy_percent`),
    readNumber(`${device}/mem_info_vram_used`),
    readNumber(`${device}/mem_info_vram_total`),
    sensor("power1_average", "power1_input"), // microwatts; newer: the second
    // 1/1000 degree. AMD: the edge, or the hottest place where an Instinct has
    // no edge; i915: the first, xe: the second is that of the package.
    sensor("temp1_input", "temp2_input"),
    // Microjoules: of the card, or of the package alone.
    sensor("energy1_input", "energy2_input"),
  ]);
  const scaled = (value: number | null, unit: number) =>
    value === null ? null : value / unit;
  return {
    gpuUtilPct: util,
    vramUsedBytes: used,
    vramTotalBytes: total,
    powerW: scaled(power, 1e6),
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
  readonly #now: () => number;
  readonly #looking: Promise<void>;
  #latest = NO_GPU_SAMPLE;
  #atMs = 0;
  #energy: EnergyReading | null = null;
  #closed = false;
  #wake = () => {};

  /** @param options What a test sets otherwise. */
  constructor(
    identity: GpuIdentity,
    {
      root,
      intervalMs = SAMPLE_INTERVAL_MS,
      now = () => performance.now(),
    }: {
      root?: string;
      intervalMs?: number;
      /** A clock in milliseconds. */
      now?: () => number;
    } = {},
  ) {
    this.#intervalMs = intervalMs;
    this.#now = now;
    this.#looking = this.#look(identity, root);
  }

  get latest(): GpuSample {
    const isFresh = this.#now() - this.#atMs < STALE_MS;
    return isFresh ? this.#latest : NO_GPU_SAMPLE;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#wake();
    await waitAtMost(CLOSE_MS, this.#looking);
  }

  async #look(identity: GpuIdentity, root?: string): Promise<void> {
    const card = await findSysfsCard(identity, root);
    while (card && !this.#closed) {
      const { energyJ, ...sample } = await readSysfsCard(card);
      if (energyJ !== null) {
        const energy = { joules: energyJ, atMs: this.#now() };
        sample.powerW ??= this.#energy && meanPowerW(this.#energy, energy);
        this.#energy = energy;
      }
      this.#latest = sample;
      this.#atMs = this.#now();
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

/** Where a card is, or null: `PCI_SLOT_NAME=0000:65:00.0`. */
async function readPciAddress(device: string): Promise<string | null> {
  const event = await readText(`${device}/uevent`) ?? "";
  const [, place] = /^PCI_SLOT_NAME=(.*)$/m.exec(event) ?? [];
  return place === undefined ? null : normalizePciAddress(place);
}

/** Decimal or 0x…; null if the file is missing or the driver refuses. */
async function readNumber(path: string): Promise<number | null> {
  const text = await readText(path);
  const value = text === null || text === "" ? NaN : Number(text);
  return Number.isFinite(value) ? value : null;
}

async function readText(path: string): Promise<string | null> {
  try {
    return (await Deno.readTextFile(path)).trim();
  } catch {
    return null; // this driver does not tell
  }
}
