/**
 * The devices that Vulkan's drivers show to this process, as adapters that the
 * executor of ../webgpu/ can open.
 *
 * Unlike WebGPU, which answers a wish with one adapter, a driver names all of
 * its devices, also several that are equal.
 *
 * @module
 */

import { chooseApi, describe, type FoundAdapter } from "../webgpu/adapters.ts";
import { VulkanAdapter } from "./adapter.ts";
import { openInstance, physicalDevices } from "./instance.ts";
import { memoryBytesOf } from "./memory.ts";
import { describeDevice, type PhysicalDevice } from "./physical_device.ts";

/** The order in which devices are numbered. */
const PREFERENCE: readonly PhysicalDevice["kind"][] = [
  "discrete",
  "integrated",
  "other",
  "cpu",
];

/**
 * All devices that can serve, real ones first, in the order of their ids:
 * `vulkan:0`, `vulkan:1` … and `vulkan:software`. Devices of drivers below
 * Vulkan 1.3 are left out.
 *
 * @throws {Error} If there is no Vulkan here; the message is one line.
 */
export function listVulkanAdapters(): FoundAdapter[] {
  chooseApi(); // which also quiets a layer of Mesa's
  const instance = openInstance();
  const found = physicalDevices(instance)
    .map((handle) => describeDevice(instance, handle))
    .filter((physical) => physical !== null)
    .toSorted((a, b) =>
      PREFERENCE.indexOf(a.kind) - PREFERENCE.indexOf(b.kind)
    );
  const counts = { vulkan: 0, software: 0 };
  return found.map((physical) => {
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
          driverVersion: physical.driverVersion,
          memoryBytes: memoryBytesOf(physical),
        },
      },
      request: () => Promise.resolve(open()),
    };
  });
}
