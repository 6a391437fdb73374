/**
 * What a physical device is and can do.
 *
 * @module
 */

import { formatPciAddress } from "../../../base/pci_address.ts";
import type { MatrixUnit } from "../../webgpu/device/matrix_unit.ts";
import {
  API_VERSION_1_3,
  DRIVER_ID_NVIDIA_PROPRIETARY,
  PHYSICAL_DEVICE_TYPE_CPU,
  PHYSICAL_DEVICE_TYPE_DISCRETE_GPU,
  PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU,
  QUEUE_COMPUTE_BIT,
  SHADER_STAGE_COMPUTE_BIT,
  SUBGROUP_OPERATIONS,
} from "../api/constants.ts";
import { scratch } from "../api/native_memory.ts";
import { textOf } from "../api/struct.ts";
import {
  PhysicalDeviceCooperativeMatrixFeatures,
  PhysicalDeviceDriverProperties,
  PhysicalDeviceFeatures2,
  PhysicalDevicePCIBusInfoProperties,
  PhysicalDeviceProperties2,
  PhysicalDeviceShaderBfloat16Features,
  PhysicalDeviceVulkan11Features,
  PhysicalDeviceVulkan11Properties,
  PhysicalDeviceVulkan12Features,
  PhysicalDeviceVulkan13Features,
  PhysicalDeviceVulkan13Properties,
  QueueFamilyProperties,
} from "../api/structs.ts";
import { EXTENSIONS, PCI_BUS_INFO, readExtensions } from "./extensions.ts";
import type { Instance } from "./instance.ts";
import { readMatrixUnits } from "./matrix_units.ts";

/** What may be there or not. */
export interface OptionalFeatures {
  readonly shaderFloat16: boolean;
  readonly shaderInt16: boolean;
  readonly shaderInt64: boolean;
  readonly storageBuffer16BitAccess: boolean;
  readonly vulkanMemoryModel: boolean;
  readonly vulkanMemoryModelDeviceScope: boolean;
  readonly subgroupSizeControl: boolean;
  /** A compute shader can be given a size of subgroups. */
  readonly canFixSubgroupSize: boolean;
  readonly computeFullSubgroups: boolean;
  readonly cooperativeMatrix: boolean;
  readonly bfloat16: boolean;
  readonly bfloat16Matrix: boolean;
  /** Lanes of a subgroup can vote, broadcast, shuffle and compute sums. */
  readonly hasSubgroups: boolean;
  readonly memoryBudget: boolean;
  /** Devices write timestamps, with this many valid bits. */
  readonly timestampBits: number;
}

/** A device as its driver describes it. */
export interface PhysicalDevice {
  readonly instance: Instance;
  readonly handle: bigint;
  readonly name: string;
  readonly kind: "discrete" | "integrated" | "cpu" | "other";
  readonly vendorId: number;
  readonly deviceId: number;
  /** In the way of its driver. */
  readonly driverVersion: number;
  /** Its name and version in words, such as `NVIDIA 580.95.05`. */
  readonly driver: string;
  readonly isNvidiaDriver: boolean;
  /** In hexadecimal; the same for WebGPU, CUDA and the system's tools. */
  readonly uuid: string;
  /** On the PCI bus, as `0000:65:00.0`; null if its driver does not tell. */
  readonly pciAddress: string | null;
  readonly subgroupSize: number;
  readonly subgroupSizes: readonly [min: number, max: number];
  readonly limits: {
    readonly maxBufferBytes: number;
    readonly maxStorageBufferRange: number;
    readonly maxStorageBuffers: number;
    readonly maxSharedMemoryBytes: number;
    readonly maxInvocations: number;
    readonly maxWorkgroupSize: readonly number[];
    readonly maxWorkgroupCount: readonly number[];
    readonly storageBufferAlignment: number;
  };
  readonly features: OptionalFeatures;
  readonly matrixUnits: readonly MatrixUnit[];
  /** The queue family that computes. */
  readonly queueFamily: number;
}

/** More bindings than that make no shader of ours faster. */
const MOST_STORAGE_BUFFERS = 64;

const KINDS: Readonly<Record<number, PhysicalDevice["kind"]>> = {
  [PHYSICAL_DEVICE_TYPE_DISCRETE_GPU]: "discrete",
  [PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU]: "integrated",
  [PHYSICAL_DEVICE_TYPE_CPU]: "cpu",
};

/** Describes a device; null if it cannot serve here. */
export function describeDevice(
  instance: Instance,
  handle: bigint,
): PhysicalDevice | null {
  return scratch.during(() => {
    // What is chained must be known to the driver, hence the extensions first.
    const extensions = readExtensions(instance, handle);
    const read = readProperties(instance, handle, extensions);
    const { core, v11, v13, driver, pciAddress } = read;
    const queue = computeQueue(instance, handle);
    if (core.apiVersion! < API_VERSION_1_3 || !queue) return null;
    const known = readFeatures(instance, handle, extensions);
    const features: OptionalFeatures = {
      ...known,
      canFixSubgroupSize: known.subgroupSizeControl &&
        (v13.requiredSubgroupSizeStages & SHADER_STAGE_COMPUTE_BIT) !== 0,
      hasSubgroups:
        (v11.subgroupSupportedStages & SHADER_STAGE_COMPUTE_BIT) !== 0 &&
        SUBGROUP_OPERATIONS ===
          (v11.subgroupSupportedOperations & SUBGROUP_OPERATIONS),
      timestampBits: queue.timestampBits,
    };
    const { subgroupSize } = v11;
    const subgroupSizes = [v13.minSubgroupSize, v13.maxSubgroupSize] as const;
    return {
      instance,
      handle,
      name: textOf(core.deviceName!),
      kind: KINDS[core.deviceType!] ?? "other",
      vendorId: core.vendorID!,
      deviceId: core.deviceID!,
      driverVersion: core.driverVersion!,
      ...driver,
      uuid: Uint8Array.from(v11.deviceUUID).toHex(),
      pciAddress,
      subgroupSize,
      subgroupSizes,
      limits: limitsOf(read),
      features,
      matrixUnits: hasFixedLanes({ features, subgroupSizes })
        ? readMatrixUnits(instance, handle, subgroupSize)
          .filter(({ scalar }) =>
            scalar === "f16"
              ? features.shaderFloat16
              : features.bfloat16 && features.bfloat16Matrix
          )
        : [],
      queueFamily: queue.index,
    };
  });
}

/** Whether kernels can count on how many lanes share a matrix, and on those. */
function hasFixedLanes(
  { features, subgroupSizes: [min, max] }: Pick<
    PhysicalDevice,
    "features" | "subgroupSizes"
  >,
): boolean {
  return features.cooperativeMatrix && features.hasSubgroups &&
    (features.canFixSubgroupSize || min === max);
}

/** What a driver tells of a device, beside its features. */
function readProperties(
  { vk }: Instance,
  handle: bigint,
  extensions: ReadonlySet<string>,
) {
  const hasPlace = extensions.has(PCI_BUS_INFO);
  const pci = scratch.write(PhysicalDevicePCIBusInfoProperties, {});
  const driver = scratch.write(PhysicalDeviceDriverProperties, {
    pNext: hasPlace ? pci : 0n,
  });
  const v13 = scratch.write(PhysicalDeviceVulkan13Properties, {
    pNext: driver,
  });
  const v11 = scratch.write(PhysicalDeviceVulkan11Properties, { pNext: v13 });
  const all = scratch.write(PhysicalDeviceProperties2, { pNext: v11 });
  vk.vkGetPhysicalDeviceProperties2(handle, all);
  return {
    core: scratch.read(PhysicalDeviceProperties2, all).properties,
    v11: scratch.read(PhysicalDeviceVulkan11Properties, v11),
    v13: scratch.read(PhysicalDeviceVulkan13Properties, v13),
    driver: readDriver(driver),
    pciAddress: hasPlace ? readPciAddress(pci) : null,
  };
}

function limitsOf(
  { core: { limits }, v11, v13 }: ReturnType<typeof readProperties>,
): PhysicalDevice["limits"] {
  const maxBufferBytes = Math.min(
    saturate(v11.maxMemoryAllocationSize),
    saturate(v13.maxBufferSize),
  );
  return {
    maxBufferBytes,
    maxStorageBufferRange: Math.min(
      limits!.maxStorageBufferRange!,
      maxBufferBytes,
    ),
    maxStorageBuffers: Math.min(
      limits!.maxPerStageDescriptorStorageBuffers!,
      MOST_STORAGE_BUFFERS,
    ),
    maxSharedMemoryBytes: limits!.maxComputeSharedMemorySize!,
    maxInvocations: limits!.maxComputeWorkGroupInvocations!,
    maxWorkgroupSize: limits!.maxComputeWorkGroupSize!,
    maxWorkgroupCount: limits!.maxComputeWorkGroupCount!,
    storageBufferAlignment: Number(limits!.minStorageBufferOffsetAlignment!),
  };
}

function readDriver(
  properties: bigint,
): Pick<PhysicalDevice, "driver" | "isNvidiaDriver"> {
  const { driverID, driverName, driverInfo } = scratch.read(
    PhysicalDeviceDriverProperties,
    properties,
  );
  return {
    driver: `${textOf(driverName)} ${textOf(driverInfo)}`.trim(),
    isNvidiaDriver: driverID === DRIVER_ID_NVIDIA_PROPRIETARY,
  };
}

function readPciAddress(properties: bigint): string {
  const { pciDomain, pciBus, pciDevice, pciFunction } = scratch.read(
    PhysicalDevicePCIBusInfoProperties,
    properties,
  );
  return formatPciAddress({
    domain: pciDomain,
    bus: pciBus,
    device: pciDevice,
    function: pciFunction,
  });
}

/** The first family of queues that compute. */
function computeQueue(
  { vk }: Instance,
  device: bigint,
): { index: number; timestampBits: number } | null {
  return scratch.during(() => {
    const count = scratch.take(8);
    vk.vkGetPhysicalDeviceQueueFamilyProperties(device, count, 0n);
    const { sizeBytes } = QueueFamilyProperties;
    const families = scratch.take(sizeBytes * scratch.readU32(count));
    vk.vkGetPhysicalDeviceQueueFamilyProperties(device, count, families);
    for (let index = 0; index < scratch.readU32(count); index++) {
      const { queueFlags, timestampValidBits } = scratch.read(
        QueueFamilyProperties,
        families + BigInt(index * sizeBytes),
      );
      if (queueFlags & QUEUE_COMPUTE_BIT) {
        return { index, timestampBits: timestampValidBits };
      }
    }
    return null;
  });
}

function readFeatures(
  instance: Instance,
  device: bigint,
  extensions: ReadonlySet<string>,
): Omit<
  OptionalFeatures,
  "hasSubgroups" | "canFixSubgroupSize" | "timestampBits"
> {
  return scratch.during(() => {
    const bfloat16 = scratch.write(PhysicalDeviceShaderBfloat16Features, {});
    const matrix = scratch.write(PhysicalDeviceCooperativeMatrixFeatures, {
      pNext: extensions.has(EXTENSIONS.bfloat16) ? bfloat16 : 0n,
    });
    const f13 = scratch.write(PhysicalDeviceVulkan13Features, {
      pNext: extensions.has(EXTENSIONS.cooperativeMatrix) ? matrix : 0n,
    });
    const f12 = scratch.write(PhysicalDeviceVulkan12Features, { pNext: f13 });
    const f11 = scratch.write(PhysicalDeviceVulkan11Features, { pNext: f12 });
    const f = scratch.write(PhysicalDeviceFeatures2, { pNext: f11 });
    instance.vk.vkGetPhysicalDeviceFeatures2(device, f);
    const core = scratch.read(PhysicalDeviceFeatures2, f);
    const v11 = scratch.read(PhysicalDeviceVulkan11Features, f11);
    const v12 = scratch.read(PhysicalDeviceVulkan12Features, f12);
    const v13 = scratch.read(PhysicalDeviceVulkan13Features, f13);
    const matrices = scratch.read(
      PhysicalDeviceCooperativeMatrixFeatures,
      matrix,
    );
    const bfloats = scratch.read(
      PhysicalDeviceShaderBfloat16Features,
      bfloat16,
    );
    return {
      shaderFloat16: v12.shaderFloat16 !== 0,
      shaderInt16: core.shaderInt16 !== 0,
      shaderInt64: core.shaderInt64 !== 0,
      storageBuffer16BitAccess: v11.storageBuffer16BitAccess !== 0,
      vulkanMemoryModel: v12.vulkanMemoryModel !== 0,
      vulkanMemoryModelDeviceScope: v12.vulkanMemoryModelDeviceScope !== 0,
      subgroupSizeControl: v13.subgroupSizeControl !== 0,
      computeFullSubgroups: v13.computeFullSubgroups !== 0,
      // Matrices are defined in that memory model alone.
      cooperativeMatrix: matrices.cooperativeMatrix !== 0 &&
        v12.vulkanMemoryModel !== 0,
      bfloat16: bfloats.shaderBFloat16Type !== 0,
      bfloat16Matrix: bfloats.shaderBFloat16CooperativeMatrix !== 0,
      memoryBudget: extensions.has(EXTENSIONS.memoryBudget),
    };
  });
}

/** A size as a number; some drivers name the largest of 64 bits. */
function saturate(size: bigint): number {
  return Number(
    size > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : size,
  );
}
