/**
 * The devices that Vulkan's drivers show to this process, as adapters that the
 * executor of ../webgpu/ can open.
 *
 * Unlike WebGPU, which answers a wish with one adapter, a driver names all of
 * its devices, also several that are equal.
 *
 * @module
 */

import {
  chooseApi,
  describe,
  type FoundAdapter,
} from "../webgpu/device/adapters.ts";
import { VulkanAdapter } from "./adapter.ts";
import { VulkanError } from "./api/result.ts";
import {
  type Instance,
  openInstance,
  physicalDevices,
} from "./driver/instance.ts";
import { memoryBytesOf } from "./driver/memory.ts";
import {
  describeDevice,
  type PhysicalDevice,
} from "./driver/physical_device.ts";

/** Which kinds come first. */
const PREFERENCE: readonly PhysicalDevice["kind"][] = [
  "discrete",
  "integrated",
  "other",
  "cpu",
];

/** What decides about the number of a device. */
type Numbered = Pick<
  PhysicalDevice,
  "kind" | "vendorId" | "deviceId" | "pciAddress"
>;

/**
 * All devices that can serve, in the order of {@linkcode numberDevices}:
 * `vulkan:0`, `vulkan:1` … and `vulkan:software`. Devices of drivers below
 * Vulkan 1.3 are left out, as are those that their drivers cannot describe.
 *
 * @param from The process's own, if absent.
 * @throws {Error} If there is no Vulkan here, or no device that its driver can
 * describe; the message is one line.
 */
export function listVulkanAdapters(from?: Instance): FoundAdapter[] {
  chooseApi(); // which also quiets a layer of Mesa's
  const found = describeAll(from ?? openInstance());
  const counts = { vulkan: 0, software: 0 };
  return numberDevices(found).map((physical) => {
    // The one place where our objects take the place of WebGPU's.
    const open = () => new VulkanAdapter(physical) as unknown as GPUAdapter;
    const info = describe(open(), "vulkan");
    const n = counts[info.isSoftware ? "software" : "vulkan"]++;
    return {
      info: {
        id: !info.isSoftware
          ? `vulkan:${n}`
          : n === 0
          ? "vulkan:software"
          : `vulkan:software:${n}`,
        ...info,
        ...physical.pciAddress && { pciAddress: physical.pciAddress },
        uuid: physical.uuid,
        matrixUnits: physical.matrixUnits,
        vulkan: {
          driver: physical.driver,
          isNvidiaDriver: physical.isNvidiaDriver,
          driverVersion: physical.driverVersion,
          memoryBytes: physical.memoryBytes,
          place: physical.place,
        },
      },
      request: () => Promise.resolve(open()),
    };
  });
}

/** Those of one driver in spite of what another one does. */
function describeAll(instance: Instance) {
  const problems: VulkanError[] = [];
  const found = physicalDevices(instance).flatMap((handle, place) => {
    try {
      const physical = describeDevice(instance, handle);
      if (!physical) return [];
      return [{ ...physical, memoryBytes: memoryBytesOf(physical), place }];
    } catch (error) {
      if (!(error instanceof VulkanError)) throw error;
      problems.push(error);
      return [];
    }
  });
  if (found.length === 0 && problems.length > 0) throw problems[0];
  return found;
}

/**
 * Devices in the order of their numbers: cards before chips that share the
 * machine's memory, of models with more memory first, and equal ones by their
 * places on the PCI bus, as nvidia-smi has them. Pure.
 */
export function numberDevices<T extends Numbered & { memoryBytes: number }>(
  devices: readonly T[],
): T[] {
  const model = ({ vendorId, deviceId }: T) => `${vendorId}:${deviceId}`;
  // Equal cards can tell sizes that differ a little.
  const gibibytes = new Map<string, number>();
  for (const one of devices) {
    const size = Math.round(one.memoryBytes / 2 ** 30);
    const known = gibibytes.get(model(one)) ?? 0;
    gibibytes.set(model(one), Math.max(size, known));
  }
  // Domains have four digits or more; who tells no address comes last.
  const place = ({ pciAddress }: T) => pciAddress?.padStart(16, "0") ?? "~";
  return devices.toSorted((a, b) =>
    PREFERENCE.indexOf(a.kind) - PREFERENCE.indexOf(b.kind) ||
    gibibytes.get(model(b))! - gibibytes.get(model(a))! ||
    (place(a) < place(b) ? -1 : place(a) > place(b) ? 1 : 0)
  );
}
