import assert from "node:assert/strict";
import {
  ExtensionProperties,
  PhysicalDevicePCIBusInfoProperties,
} from "../../../src/backend/vulkan/api/structs.ts";
import {
  type Instance,
  openInstance,
  physicalDevices,
} from "../../../src/backend/vulkan/driver/instance.ts";
import { describeDevice } from "../../../src/backend/vulkan/driver/physical_device.ts";
import { openWebGpuBackend } from "../../../src/backend/webgpu/webgpu_backend.ts";
import { noVulkan, testVulkan } from "./_vulkan.ts";

/** VkStructureType of the structure that is asked for. */
const PCI_BUS_INFO_PROPERTIES = 1000212000;

/** Memory that native code was given. */
function viewOf(address: bigint, bytes: number): DataView {
  const pointer = Deno.UnsafePointer.create(address)!;
  return new DataView(
    Deno.UnsafePointerView.getArrayBuffer(pointer, bytes),
  );
}

/** A driver that tells places as well: one more extension, one structure. */
function withPlace(instance: Instance, place: readonly number[]): Instance {
  const { vk } = instance;
  const { sizeBytes } = ExtensionProperties;
  return {
    ...instance,
    vk: {
      ...vk,
      vkEnumerateDeviceExtensionProperties(device, layer, count, list) {
        const result = vk.vkEnumerateDeviceExtensionProperties(
          device,
          layer,
          count,
          list,
        );
        const counted = viewOf(count, 4);
        const own = counted.getUint32(0, true);
        counted.setUint32(0, own + 1, true);
        if (list !== 0n) {
          const name = viewOf(list + BigInt(own * sizeBytes), sizeBytes);
          new TextEncoder().encodeInto(
            "VK_EXT_pci_bus_info\0",
            new Uint8Array(name.buffer),
          );
        }
        return result;
      },
      vkGetPhysicalDeviceProperties2(device, properties) {
        vk.vkGetPhysicalDeviceProperties2(device, properties);
        for (let at = properties; at !== 0n;) {
          const head = viewOf(at, 16);
          if (head.getUint32(0, true) === PCI_BUS_INFO_PROPERTIES) {
            const { sizeBytes, offsets } = PhysicalDevicePCIBusInfoProperties;
            place.forEach((value, i) =>
              viewOf(at, sizeBytes)
                .setUint32(offsets.pciDomain + 4 * i, value, true)
            );
          }
          at = head.getBigUint64(8, true);
        }
      },
    },
  };
}

Deno.test(
  "describeDevice() reads where a device is, if its driver tells",
  { ignore: noVulkan },
  () => {
    const instance = openInstance();
    const [handle] = physicalDevices(instance);
    const telling = withPlace(instance, [0x10000, 0xc1, 0x1f, 3]);
    const physical = describeDevice(telling, handle)!;
    assert.equal(physical.pciAddress, "10000:c1:1f.3");
    const plain = describeDevice(instance, handle)!;
    assert.equal(physical.name, plain.name); // the chain is whole
    assert.deepEqual(physical.limits, plain.limits);
    assert.match(plain.pciAddress ?? "0000:00:00.0", /^[0-9a-f:]{10,}\.\d$/);
  },
);

Deno.test(
  "a backend tells where its device is, else its uuid",
  { ignore: noVulkan },
  async () => {
    const { pciAddress: _, uuid, ...info } = testVulkan.info;
    for (
      const [known, expected] of [
        [{ pciAddress: "0000:2a:00.0", uuid }, { pciAddress: "0000:2a:00.0" }],
        [{ uuid }, { uuid }],
      ]
    ) {
      const adapter = { ...testVulkan, info: { ...info, ...known } };
      const backend = await openWebGpuBackend(adapter);
      await backend.dispose();
      const { vendorId, deviceId, isSoftware } = info;
      assert.deepEqual(backend.device.adapter, {
        ...{ vendorId, deviceId, isSoftware },
        ...expected,
      });
    }
  },
);
