/** Devices that lack what the one here has: they work, or say what is amiss. */

import assert from "node:assert/strict";
import { VulkanAdapter } from "../../../src/backend/vulkan/adapter.ts";
import { listVulkanAdapters } from "../../../src/backend/vulkan/adapters.ts";
import { RESULT } from "../../../src/backend/vulkan/api/result.ts";
import { PhysicalDeviceProperties2 } from "../../../src/backend/vulkan/api/structs.ts";
import {
  type Instance,
  openInstance,
  physicalDevices,
} from "../../../src/backend/vulkan/driver/instance.ts";
import { readMatrixUnits } from "../../../src/backend/vulkan/driver/matrix_units.ts";
import {
  describeDevice,
  type OptionalFeatures,
  type PhysicalDevice,
} from "../../../src/backend/vulkan/driver/physical_device.ts";
import {
  describe,
  type FoundAdapter,
} from "../../../src/backend/webgpu/device/adapters.ts";
import { openWebGpuBackend } from "../../../src/backend/webgpu/webgpu_backend.ts";
import { UserError } from "../../../src/base/errors.ts";
import {
  collect,
  fakeDataset,
  only,
  openTestSession,
  tinyConfig,
} from "../../train/_helpers.ts";
import { noVulkan, testVulkan } from "./_vulkan.ts";

type Limits = PhysicalDevice["limits"];

/** The first device, as it would describe itself if it could do less. */
function lesserDevice(
  features: Partial<OptionalFeatures>,
  limits: Partial<Limits> = {},
): PhysicalDevice {
  const instance = openInstance();
  const known = physicalDevices(instance)
    .map((handle) => describeDevice(instance, handle))
    .find((one) => one !== null)!;
  return {
    ...known,
    features: { ...known.features, ...features },
    limits: { ...known.limits, ...limits },
    matrixUnits: [],
  };
}

/** The same as it is found. */
function lesserAdapter(
  ...lacks: Parameters<typeof lesserDevice>
): FoundAdapter {
  const open = () =>
    new VulkanAdapter(lesserDevice(...lacks)) as unknown as GPUAdapter;
  const info = { ...testVulkan.info, ...describe(open(), "vulkan") };
  return {
    info: { ...info, matrixUnits: [] },
    request: () => Promise.resolve(open()),
  };
}

/** Nothing but what a driver of Vulkan 1.3 must have. */
const NO_FEATURES: Partial<OptionalFeatures> = {
  ...{ shaderFloat16: false, shaderInt16: false, shaderInt64: false },
  ...{ storageBuffer16BitAccess: false, hasSubgroups: false },
  ...{ cooperativeMatrix: false, bfloat16: false, bfloat16Matrix: false },
  ...{ canFixSubgroupSize: false, memoryBudget: false, timestampBits: 0 },
};

/** The least of everything that is not refused. */
const LEAST_LIMITS: Partial<Limits> = {
  maxBufferBytes: 2 ** 27,
  maxStorageBufferRange: 2 ** 27,
  maxStorageBuffers: 8,
  maxSharedMemoryBytes: 2 ** 14,
  maxInvocations: 256,
  maxWorkgroupSize: [256, 256, 64],
  maxWorkgroupCount: [65535, 65535, 65535],
  storageBufferAlignment: 256,
};

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name: `vulkan: ${name}`, ignore: noVulkan, fn });
}

/** A shader's text, and what a device for it must have. */
const ASKS: readonly (readonly [
  what: string,
  without: Partial<OptionalFeatures>,
  code: string,
])[] = [
  ["float16", { shaderFloat16: false }, body("f16(x)", "enable f16;")],
  ["int64", { shaderInt64: false }, body("u32(u64(x) >> 2u)")],
  [
    "groupNonUniformShuffle",
    { hasSubgroups: false },
    body("subgroupShuffleXor(x, 1u)", "enable subgroups;"),
  ],
];

function body(value: string, enable = ""): string {
  return `${enable}
@group(0) @binding(0) var<storage, read_write> numbers: array<f32>;
@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) lane: u32) {
  let x = numbers[lane];
  numbers[lane] = f32(${value});
}`;
}

for (const [what, without, code] of ASKS) {
  test(`a shader that needs ${what} is not given to a driver without`, async () => {
    const adapter = new VulkanAdapter(lesserDevice(without));
    const device = await adapter.requestDevice();
    const layout = device.createPipelineLayout({
      bindGroupLayouts: [device.createBindGroupLayout({
        entries: [{
          ...{ binding: 0, visibility: GPUShaderStage.COMPUTE },
          buffer: { type: "storage" },
        }],
      })],
    });
    const module = device.createShaderModule({ label: "some", code });
    const descriptor = { label: "some", layout, compute: { module } };
    const message = new RegExp(
      `^Cannot run shader "some": the device lacks .*${what}`,
    );
    assert.throws(() => device.createComputePipeline(descriptor), { message });
    await assert.rejects(
      device.createComputePipelineAsync(descriptor),
      { message },
    );
    device.destroy();
  });
}

test("a device of the least that is taken trains as the reference", async () => {
  const train = { steps: 2, gradAccumSteps: 2, recompute: "full" } as const;
  for (const arch of ["gpt2", "llama"] as const) {
    const sizes = { nLayer: 1, nHead: 2, nEmbd: 16, seqLen: 20 };
    const config = tinyConfig({ model: { arch, ...sizes }, train });
    const losses = async (parts: Parameters<typeof openTestSession>[0]) => {
      const dataset = fakeDataset(config);
      const session = await openTestSession({ config, dataset, ...parts });
      const steps = only(await collect(session), "step");
      await session.dispose();
      return steps.map(({ trainLoss }) => trainLoss);
    };
    const adapter = lesserAdapter(NO_FEATURES, LEAST_LIMITS);
    assert.deepEqual(adapter.info.features, []);
    const backend = await openWebGpuBackend(adapter);
    const found = await losses({ backend });
    const expected = await losses({});
    assert.equal(found.length, 2);
    for (const [i, loss] of found.entries()) {
      assert.ok(Math.abs(loss - expected[i]) < 1e-4, `${loss} ${expected[i]}`);
    }
    await backend.dispose();
  }
});

test("a device without a clock has no timestamps", async () => {
  const adapter = new VulkanAdapter(lesserDevice({ timestampBits: 0 }));
  assert.ok(!adapter.features.has("timestamp-query"));
  const device = await adapter.requestDevice();
  assert.throws(
    () => device.createQuerySet({ type: "timestamp", count: 2 }),
    /the device has no timestamp queries$/,
  );
  device.destroy();
});

/** What a device may allow less of than kernels need, and what is said. */
const TOO_LITTLE: readonly (readonly [Partial<Limits>, string])[] = [
  [
    { maxInvocations: 128 },
    "maxComputeInvocationsPerWorkgroup is 128, the kernels need 256",
  ],
  [
    { maxWorkgroupSize: [128, 128, 64] },
    "maxComputeWorkgroupSizeX is 128, the kernels need 256",
  ],
  [
    { maxStorageBuffers: 4 },
    "maxStorageBuffersPerShaderStage is 4, the kernels need 8",
  ],
];

for (const [limits, why] of TOO_LITTLE) {
  test(`a device is refused in one line: ${why}`, async () => {
    await assert.rejects(
      openWebGpuBackend(lesserAdapter({}, limits)),
      (error) => {
        const { id, name } = testVulkan.info;
        assert.ok(error instanceof UserError);
        assert.equal(error.message, `Cannot open ${id} (${name}): ${why}`);
        return true;
      },
    );
  });
}

/** The memory that native code was given. */
function viewOf(address: bigint, sizeBytes: number): DataView {
  const place = Deno.UnsafePointer.create(address)!;
  return new DataView(Deno.UnsafePointerView.getArrayBuffer(place, sizeBytes));
}

test("devices of drivers below 1.3 are left out, newer ones are not", () => {
  const { vk, handle } = openInstance();
  const found = (minor: number) =>
    listVulkanAdapters({
      handle,
      vk: {
        ...vk,
        vkGetPhysicalDeviceProperties2(device, address) {
          vk.vkGetPhysicalDeviceProperties2(device, address);
          const { sizeBytes, offsets } = PhysicalDeviceProperties2;
          // The version comes first of the properties.
          viewOf(address, sizeBytes)
            .setUint32(offsets.properties, 1 << 22 | minor << 12, true);
        },
      },
    }).length;
  // NVIDIA's 470 has 1.2, 535 has 1.3, 580 has 1.4.
  assert.deepEqual([1, 2].map(found), [0, 0]);
  assert.ok(found(3) > 0);
  assert.equal(found(4), found(3));
  return Promise.resolve();
});

test("a driver that fails does not hide the devices of others", () => {
  const { vk, handle } = openInstance();
  const own = physicalDevices(openInstance());
  const found = (failing: readonly bigint[]) =>
    listVulkanAdapters({
      handle,
      vk: {
        ...vk,
        vkEnumeratePhysicalDevices(_, count, list) {
          const all = [...failing, ...own];
          if (list !== 0n) {
            const view = viewOf(list, 8 * all.length);
            all.forEach((one, i) => view.setBigUint64(8 * i, one, true));
          }
          viewOf(count, 4).setUint32(0, all.length, true);
          return RESULT.SUCCESS;
        },
        vkEnumerateDeviceExtensionProperties(device, ...where) {
          return failing.includes(device)
            ? RESULT.ERROR_INITIALIZATION_FAILED
            : vk.vkEnumerateDeviceExtensionProperties(device, ...where);
        },
      },
    });
  const places = found([1n, 2n]).map(({ info }) => info.vulkan?.place);
  assert.deepEqual(
    places.toSorted(),
    found([]).map(({ info }) => info.vulkan!.place + 2).toSorted(),
  );
  assert.throws(
    () => found(own),
    /^VulkanError: vkEnumerateDeviceExtensionProperties: VK_ERROR_INITIAL/,
  );
  return Promise.resolve();
});

test("a driver that cannot tell its matrix units has none", () => {
  const { vk, handle } = openInstance();
  using fails = new class {
    readonly callback = new Deno.UnsafeCallback(
      { parameters: ["u64", "u64", "u64"], result: "i32" },
      () => RESULT.ERROR_OUT_OF_HOST_MEMORY,
    );
    [Symbol.dispose]() {
      this.callback.close();
    }
  }();
  const { pointer } = fails.callback;
  const instance: Instance = {
    handle,
    vk: { ...vk, vkGetInstanceProcAddr: () => pointer },
  };
  assert.deepEqual(readMatrixUnits(instance, 1n, 32), []);
  return Promise.resolve();
});

test("a device that opens but half is closed again", async () => {
  const physical = lesserDevice({});
  const { instance } = physical, { vk } = instance;
  let live = 0;
  const failing: Instance = {
    ...instance,
    vk: {
      ...vk,
      vkCreateDevice(...given) {
        live++;
        return vk.vkCreateDevice(...given);
      },
      vkDestroyDevice(...given) {
        live--;
        vk.vkDestroyDevice(...given);
      },
      vkCreateSemaphore: () => RESULT.ERROR_INVALID_EXTERNAL_HANDLE,
    },
  };
  const adapter = new VulkanAdapter({ ...physical, instance: failing });
  await assert.rejects(
    adapter.requestDevice(),
    /^VulkanError: vkCreateSemaphore: VK_ERROR_INVALID_EXTERNAL_HANDLE$/,
  );
  assert.equal(live, 0);
});

test("a run takes few allocations, of which some drivers give 4096", async () => {
  const physical = lesserDevice({});
  const { vk } = physical.instance;
  let live = 0, most = 0;
  const counted: PhysicalDevice = {
    ...physical,
    instance: {
      ...physical.instance,
      vk: {
        ...vk,
        vkAllocateMemory(...given) {
          most = Math.max(most, ++live);
          return vk.vkAllocateMemory(...given);
        },
        vkFreeMemory(...given) {
          live--;
          vk.vkFreeMemory(...given);
        },
      },
    },
  };
  const adapter = new VulkanAdapter(counted) as unknown as GPUAdapter;
  const backend = await openWebGpuBackend({
    ...testVulkan,
    request: () => Promise.resolve(adapter),
  });
  const config = tinyConfig({ model: { nLayer: 4 }, train: { steps: 20 } });
  const session = await openTestSession({
    ...{ config, backend, dataset: fakeDataset(config) },
  });
  await collect(session);
  await session.dispose();
  await backend.dispose();
  assert.ok(most > 4 && most < 64, `${most}`);
  assert.equal(live, 0);
});
