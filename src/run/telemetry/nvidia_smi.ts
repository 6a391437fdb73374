/**
 * Reads the table that `nvidia-smi --query-gpu` prints, one line per GPU.
 *
 * Values that a card, a driver or a container does not give are words:
 * `[N/A]`, `[Not Supported]`, `[Unknown Error]`, `[GPU requires reset]`,
 * `[Insufficient Permissions]`. With MIG the utilization of the whole card is
 * `[N/A]`. All of them are null here.
 *
 * @module
 */

import { normalizePciAddress } from "../../base/pci_address.ts";
import type { GpuIdentity, GpuSample } from "./gpu_sample.ts";

/** One GPU as nvidia-smi sees it. */
export interface NvidiaGpu {
  /** In the order of the PCI bus. */
  index: number;
  /** PCI device id above, vendor id below: `0x233010DE`. */
  pciDeviceId: number | null;
  /** As Linux writes it: `0000:65:00.0`. */
  pciAddress: string | null;
  /** 32 digits, without `GPU-` and dashes. */
  uuid: string | null;
  /** Without the maker's, such as `A30`. */
  name: string;
  sample: GpuSample;
}

/** In this order; the name comes last, as only it may hold a comma. */
const FIELDS = [
  "index",
  "pci.device_id",
  "pci.bus_id",
  "uuid",
  "utilization.gpu",
  "memory.used",
  "memory.total",
  "power.draw",
  "temperature.gpu",
  "name",
];

/** Asks for lines that {@linkcode parseNvidiaLine} understands. */
export const NVIDIA_SMI_QUERY = [
  `--query-gpu=${FIELDS.join(",")}`,
  "--format=csv,noheader,nounits",
];

/** A decimal comma would make two fields of one. */
export const NVIDIA_SMI_ENV = { LC_ALL: "C" };

/** Some drivers print units though told not to: `1024 MiB`, `35 %`. */
const NUMBER = /^(\d+(?:\.\d+)?)(?: ?(?:MiB|W|%|C))?$/;

/** The GPU of a line, or null if it is an error message or was cut short. */
export function parseNvidiaLine(line: string): NvidiaGpu | null {
  const fields = line.trim().split(/, */);
  if (fields.length < FIELDS.length || !/^\d+$/.test(fields[0])) return null;
  const [index, pci, place, uuid, util, used, total, power, temp, ...name] =
    fields;
  const mebibytes = (text: string) => {
    const number = numberOf(text);
    return number === null ? null : number * 2 ** 20;
  };
  return {
    index: Number(index),
    pciDeviceId: /^0x[0-9a-f]+$/i.test(pci) ? Number(pci) : null,
    pciAddress: normalizePciAddress(place),
    uuid: plainUuid(uuid),
    name: plainName(name.join(", ")),
    sample: {
      gpuUtilPct: numberOf(util),
      vramUsedBytes: mebibytes(used),
      vramTotalBytes: mebibytes(total),
      powerW: numberOf(power),
      tempC: numberOf(temp),
    },
  };
}

/**
 * Whether a line speaks of the adapter: by its place on the bus or its uuid,
 * or of its model, as WebGPU tells neither.
 */
export function isNvidiaGpu(
  gpu: Omit<NvidiaGpu, "index" | "sample">,
  { name, vendorId, deviceId, pciAddress, uuid }: GpuIdentity,
): boolean {
  if (gpu.pciAddress && pciAddress) return gpu.pciAddress === pciAddress;
  if (gpu.uuid && uuid) return gpu.uuid === uuid;
  if (gpu.pciDeviceId !== null && Number(deviceId) > 0) {
    return (gpu.pciDeviceId & 0xffff) === Number(vendorId) &&
      gpu.pciDeviceId >>> 16 === Number(deviceId);
  }
  return gpu.name !== "" && gpu.name === plainName(name);
}

function numberOf(text: string): number | null {
  const match = NUMBER.exec(text);
  return match && Number(match[1]);
}

/** `GPU-6f0c1d2e-…` without its punctuation; null if it is no uuid. */
function plainUuid(text: string): string | null {
  const digits = text.replace(/^GPU-/, "").replaceAll("-", "").toLowerCase();
  return /^[0-9a-f]{32}$/.test(digits) ? digits : null;
}

/** Drivers before 495 leave out the maker. */
function plainName(name: string): string {
  return name.replace(/^nvidia /i, "").trim();
}
