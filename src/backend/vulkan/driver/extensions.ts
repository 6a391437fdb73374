/**
 * Extensions of Vulkan: those of use here, and those that a device has.
 *
 * @module
 */

import { NativeMemory, scratch } from "../api/native_memory.ts";
import { check } from "../api/result.ts";
import { textOf } from "../api/struct.ts";
import { ExtensionProperties } from "../api/structs.ts";
import type { Instance } from "./instance.ts";

/** Extensions that are made use of where they are there. */
export const EXTENSIONS = {
  cooperativeMatrix: "VK_KHR_cooperative_matrix",
  bfloat16: "VK_KHR_shader_bfloat16",
  memoryBudget: "VK_EXT_memory_budget",
} as const;

/** Tells where a device is, without being enabled. */
export const PCI_BUS_INFO = "VK_EXT_pci_bus_info";

/** The names of those that a device has. */
export function readExtensions(
  { vk }: Instance,
  device: bigint,
): Set<string> {
  const list = (count: bigint, properties: bigint) =>
    check(
      vk.vkEnumerateDeviceExtensionProperties(device, 0n, count, properties),
      "vkEnumerateDeviceExtensionProperties",
    );
  return scratch.during(() => {
    const count = scratch.take(8);
    list(count, 0n);
    const room = scratch.readU32(count);
    const { sizeBytes } = ExtensionProperties;
    const memory = new NativeMemory(sizeBytes * room);
    list(count, memory.address);
    return new Set(
      Array.from({ length: scratch.readU32(count) }, (_, i) => {
        const at = memory.address + BigInt(i * sizeBytes);
        return textOf(memory.read(ExtensionProperties, at).extensionName);
      }),
    );
  });
}
