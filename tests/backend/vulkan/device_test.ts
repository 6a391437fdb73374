import assert from "node:assert/strict";
import { RESULT, VulkanError } from "../../../src/backend/vulkan/api/result.ts";
import type { VulkanBuffer } from "../../../src/backend/vulkan/buffer.ts";
import type { VulkanDevice } from "../../../src/backend/vulkan/device.ts";
import { DeviceMemory } from "../../../src/backend/vulkan/driver/memory.ts";
import { Timeline } from "../../../src/backend/vulkan/timeline.ts";
import { parseVariant } from "../../../src/backend/webgpu/choice/gemm_choice.ts";
import {
  compileKernels,
  timeKernels,
  tryKernel,
} from "../../../src/backend/webgpu/tuning/time_kernels.ts";
import { openWebGpuBackend } from "../../../src/backend/webgpu/webgpu_backend.ts";
import { UserError } from "../../../src/base/errors.ts";
import { Graph } from "../../../src/graph/graph.ts";
import { plan } from "../../../src/graph/plan.ts";
import { noVulkan, openVulkanDevice, testVulkan } from "./_vulkan.ts";

const { STORAGE, COPY_DST, COPY_SRC, MAP_READ, QUERY_RESOLVE } = GPUBufferUsage;
const FLOATS = 64, BYTES = 4 * FLOATS;

/** `to[i] = from[i] + amount`, with what is needed to run it on two buffers. */
function adder(device: VulkanDevice, amount: number) {
  const layout = device.createBindGroupLayout({
    entries: (["read-only-storage", "storage"] as const).map((
      type,
      binding,
    ) => ({ binding, visibility: GPUShaderStage.COMPUTE, buffer: { type } })),
  });
  const pipeline = device.createComputePipeline({
    layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
    compute: {
      module: device.createShaderModule({
        code: `
@group(0) @binding(0) var<storage, read> source: array<f32>;
@group(0) @binding(1) var<storage, read_write> target_: array<f32>;
@compute @workgroup_size(${FLOATS})
fn main(@builtin(local_invocation_index) i: u32) {
  target_[i] = source[i] + ${amount.toFixed(1)};
}`,
      }),
    },
  });
  return (
    from: { buffer: VulkanBuffer; offset?: number },
    to: { buffer: VulkanBuffer; offset?: number },
  ) => {
    const group = device.createBindGroup({
      layout,
      entries: [from, to].map(({ buffer, offset = 0 }, binding) => ({
        binding,
        resource: { buffer, offset, size: BYTES },
      })),
    });
    return { pipeline, group };
  };
}

function storage(device: VulkanDevice, size = BYTES): VulkanBuffer {
  const usage = STORAGE | COPY_DST | COPY_SRC;
  return device.createBuffer({ label: "some", size, usage });
}

/** Runs dispatches in one pass, and waits for nothing. */
function run(
  device: VulkanDevice,
  steps: readonly ReturnType<ReturnType<typeof adder>>[],
): void {
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  for (const { pipeline, group } of steps) {
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    pass.dispatchWorkgroups(1);
  }
  pass.end();
  device.queue.submit([encoder.finish()]);
}

async function read(
  device: VulkanDevice,
  buffer: VulkanBuffer,
): Promise<Float32Array> {
  const size = buffer.size;
  const staging = device.createBuffer({ size, usage: MAP_READ | COPY_DST });
  const encoder = device.createCommandEncoder();
  encoder.copyBufferToBuffer(buffer, 0, staging, 0, size);
  device.queue.submit([encoder.finish()]);
  await staging.mapAsync(GPUMapMode.READ);
  const data = new Float32Array(staging.getMappedRange().slice());
  staging.destroy();
  return data;
}

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name: `vulkan: ${name}`, ignore: noVulkan, fn });
}

test("commands happen in order, with barriers where they must", async () => {
  using opened = await openVulkanDevice();
  const { device, errors } = opened;
  const [a, b, c, d] = Array.from({ length: 4 }, () => storage(device));
  const one = adder(device, 1);
  device.queue.submit([]); // fills the four with zeros
  const before = device.queue.counts;
  run(device, [
    one({ buffer: a }, { buffer: b }), // a barrier: a and b were just filled
    one({ buffer: a }, { buffer: c }), // none: both read a
    one({ buffer: b }, { buffer: d }), // b was written
    one({ buffer: c }, { buffer: a }), // none: the barrier was for c, too
    one({ buffer: d }, { buffer: b }), // d was written, b read
  ]);
  const { barriers, dispatches } = device.queue.counts;
  assert.equal(dispatches - before.dispatches, 5);
  assert.equal(barriers - before.barriers, 3);
  const first = await Promise.all(
    [a, b, c, d].map(async (buffer) => (await read(device, buffer))[63]),
  );
  assert.deepEqual(first, [2, 3, 1, 2]);
  assert.deepEqual(errors, []);
});

test("pieces of one buffer do not wait for each other", async () => {
  using opened = await openVulkanDevice();
  const { device } = opened;
  const buffer = storage(device, 4 * BYTES);
  const one = adder(device, 1);
  const at = (piece: number) => ({ buffer, offset: piece * BYTES });
  device.queue.submit([]);
  const before = device.queue.counts.barriers;
  run(device, [one(at(0), at(1)), one(at(2), at(3)), one(at(1), at(2))]);
  assert.equal(device.queue.counts.barriers - before, 2);
  const data = await read(device, buffer);
  assert.deepEqual([0, 1, 2, 3].map((n) => data[n * FLOATS]), [0, 1, 2, 1]);
});

test("large writes arrive whole, whatever comes between", async () => {
  using opened = await openVulkanDevice();
  const { device, errors } = opened;
  const length = 3 * 2 ** 20 + 5; // more than a block of staging memory
  const buffer = storage(device, 4 * length);
  const data = Float32Array.from({ length }, (_, i) => i);
  for (let i = 0; i < 8; i++) { // more than all blocks
    data[0] = i;
    device.queue.writeBuffer(buffer, 0, data);
  }
  device.queue.writeBuffer(buffer, 8, Float32Array.of(-1));
  data[2] = -1;
  assert.deepEqual(await read(device, buffer), data);
  assert.deepEqual(errors, []);
});

test("mistakes are told, and harm nothing", async () => {
  using opened = await openVulkanDevice();
  const { device, errors } = opened;
  const a = storage(device), b = storage(device);
  const onlyBound = device.createBuffer({ size: BYTES, usage: STORAGE });
  const copy = (
    from: VulkanBuffer,
    to: VulkanBuffer,
    size = BYTES,
    offset = 0,
  ) => {
    const encoder = device.createCommandEncoder();
    encoder.copyBufferToBuffer(from, offset, to, 0, size);
    device.queue.submit([encoder.finish()]);
  };
  copy(onlyBound, a);
  copy(a, b, BYTES, 4);
  copy(a, a);
  device.queue.writeBuffer(a, 2, new Uint8Array(4));
  device.createBuffer({
    size: 2 * device.limits.maxBufferSize,
    usage: STORAGE,
  });
  b.destroy();
  copy(a, b);
  device.queue.writeBuffer(b, 0, new Uint8Array(4));
  assert.deepEqual(
    errors.map((message) =>
      /COPY_SRC|not in buffer|two buffers|maximum buffer size|destroyed|not in its/
        .exec(message)?.[0]
    ),
    [
      ...["COPY_SRC", "not in buffer", "two buffers", "not in its"],
      ...["maximum buffer size", "destroyed", "destroyed"],
    ],
  );
  assert.throws(
    () => adder(device, 1)({ buffer: a }, { buffer: b }),
    /destroyed/,
  );
  assert.throws(
    () => device.createShaderModule({ code: "fn main() { let a = ; }" }),
    /^Error: Cannot compile shader/,
  );
  assert.equal((await read(device, a))[0], 0);
});

test("error scopes take what they are for", async () => {
  using opened = await openVulkanDevice();
  const { device, errors } = opened;
  const tooLarge = { size: 2 ** 50, usage: STORAGE };
  device.pushErrorScope("validation");
  device.pushErrorScope("out-of-memory");
  device.createBuffer(tooLarge);
  assert.equal(await device.popErrorScope(), null);
  assert.match((await device.popErrorScope())!.message, /maximum buffer size/);
  assert.deepEqual(errors, []);
});

test("a driver that has no memory left is told of", async () => {
  const backend = await openWebGpuBackend(testVulkan);
  const g = new Graph();
  g.sumSquares(g.state("many", [1 << 20]), { out: g.state("sum", [1]) });
  const program = plan({ run: g });
  const { allocate } = DeviceMemory.prototype;
  DeviceMemory.prototype.allocate = () => {
    throw new VulkanError(
      RESULT.ERROR_OUT_OF_DEVICE_MEMORY,
      "vkAllocateMemory",
    );
  };
  try {
    assert.equal(await backend.fits!(program), false);
    await assert.rejects(
      backend.compile(program),
      (error) =>
        error instanceof UserError &&
        /^Cannot allocate 4\.2 MB on /.test(error.message) &&
        /smaller batchSize/.test(error.hint ?? ""),
    );
  } finally {
    DeviceMemory.prototype.allocate = allocate;
  }
  const executable = await backend.compile(program); // there is some again
  executable.write("many", new Float32Array(1 << 20).fill(0.5));
  await executable.run("run");
  assert.deepEqual([...await executable.read("sum")], [2 ** 18]);
  await backend.dispose();
});

test("a device that the driver has lost is given up, by its name", async () => {
  const backend = await openWebGpuBackend(testVulkan);
  const g = new Graph();
  g.sumSquares(g.state("one", [1]), { out: g.state("sum", [1]) });
  const executable = await backend.compile(plan({ run: g }));
  const { isDone } = Timeline.prototype;
  Timeline.prototype.isDone = () => {
    throw new VulkanError(RESULT.ERROR_DEVICE_LOST, "vkWaitSemaphores");
  };
  const isNamed = (error: unknown) =>
    error instanceof UserError && error.message.startsWith("Lost ") &&
    error.message.endsWith("(vkWaitSemaphores: VK_ERROR_DEVICE_LOST)");
  try {
    await assert.rejects(executable.read("sum"), isNamed);
    await assert.rejects(executable.run("run"), isNamed);
    await executable.dispose();
  } finally {
    Timeline.prototype.isDone = isDone;
  }
  await backend.dispose();
});

test("a closed device answers nothing, and does not crash", async () => {
  const { device } = await openVulkanDevice();
  const a = storage(device), b = storage(device), one = adder(device, 1);
  const step = one({ buffer: a }, { buffer: b });
  const staging = device.createBuffer({
    ...{ size: BYTES, usage: MAP_READ | COPY_DST },
  });
  const querySet = device.createQuerySet({ type: "timestamp", count: 2 });
  run(device, [step]);
  await staging.mapAsync(GPUMapMode.READ);
  const range = staging.getMappedRange();
  device.destroy();
  assert.deepEqual(await device.lost, {
    reason: "destroyed",
    message: "device was lost",
  });
  assert.equal(range.byteLength, 0); // its memory is gone
  run(device, [step]);
  device.queue.writeBuffer(a, 0, new Uint8Array(4));
  a.destroy();
  querySet.destroy();
  device.destroy();
  assert.throws(() => one({ buffer: a }, { buffer: b }), /device was lost/);
  await assert.rejects(staging.mapAsync(GPUMapMode.READ), /destroyed/);
  assert.throws(() => staging.getMappedRange(), /unmapped/);
});

/** A shader that takes a driver a while, with its layout. */
function longShader(device: VulkanDevice, lines: number) {
  const layout = device.createBindGroupLayout({
    entries: [{
      ...{ binding: 0, visibility: GPUShaderStage.COMPUTE },
      buffer: { type: "storage" },
    }],
  });
  const line = (i: number) => `
  x = x * 1.5f + sin(x + ${i}.0f);`;
  return {
    layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
    compute: {
      module: device.createShaderModule({
        code: `
@group(0) @binding(0) var<storage, read_write> numbers: array<f32>;
@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) lane: u32) {
  var x = numbers[lane];${
          Array.from({ length: lines }, (_, i) => line(i)).join("")
        }
  numbers[lane] = x;
}`,
      }),
    },
  };
}

test("a device that is closed waits for threads that compile", async () => {
  const { device, errors } = await openVulkanDevice();
  const descriptor = longShader(device, 200);
  const compiling = device.createComputePipelineAsync(descriptor);
  device.destroy();
  assert.ok((await compiling).handle);
  await device.lost;
  await assert.rejects(
    device.createComputePipelineAsync(descriptor),
    /device was lost/,
  );
  assert.deepEqual(errors, []);
});

test("all ways of a site are compiled beforehand", async () => {
  const backend = await openWebGpuBackend(testVulkan);
  const shape = { M: 64, N: 96, K: 128, transA: false, transB: false };
  const site = { kind: "matmul", shape } as const;
  const ways = ["32x32x16 4x4 staged row", "32x32x16 4x4 staged row / 2"]
    .map((text) => parseVariant(text)!);
  const before = backend.pipelineCount; // of its first product
  const count = () => backend.pipelineCount - before;
  await compileKernels(backend, site, ways);
  const compiled = count();
  assert.ok(compiled >= 3, `${compiled}`); // two products, sums of the parts
  for (const way of ways) {
    await tryKernel(backend, site, { way, rounds: 1, roundMs: 1 });
  }
  await timeKernels(backend, site, { ways, rounds: 1, roundMs: 1 });
  assert.equal(count(), compiled);
  await backend.dispose();
});

test("sets of bind groups are used again", async () => {
  using opened = await openVulkanDevice();
  const { device } = opened;
  const one = adder(device, 1);
  const a = storage(device);
  const sets = new Set<bigint>();
  for (let i = 0; i < 100; i++) {
    const b = storage(device);
    const step = one({ buffer: a }, { buffer: b });
    sets.add(step.group.set);
    run(device, [step]);
    assert.equal((await read(device, b))[0], 1);
    b.destroy();
  }
  assert.ok(sets.size < 10, `${sets.size} sets`);
});

test("the device's clock goes on from pass to pass", async () => {
  using opened = await openVulkanDevice();
  const { device, errors } = opened;
  if (!device.features.has("timestamp-query")) return;
  const querySet = device.createQuerySet({ type: "timestamp", count: 4 });
  const resolved = device.createBuffer({
    ...{ size: 32, usage: QUERY_RESOLVE | COPY_SRC },
  });
  const { pipeline, group } = adder(device, 1)(
    { buffer: storage(device) },
    { buffer: storage(device) },
  );
  const encoder = device.createCommandEncoder();
  for (const beginningOfPassWriteIndex of [0, 2]) {
    const endOfPassWriteIndex = beginningOfPassWriteIndex + 1;
    const pass = encoder.beginComputePass({
      timestampWrites: {
        querySet,
        beginningOfPassWriteIndex,
        endOfPassWriteIndex,
      },
    });
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    pass.dispatchWorkgroups(1);
    pass.end();
  }
  encoder.resolveQuerySet(querySet, 0, 4, resolved, 0);
  device.queue.submit([encoder.finish()]);
  const ticks = [...new BigUint64Array((await read(device, resolved)).buffer)];
  assert.ok(ticks[0] > 0n);
  assert.deepEqual(ticks, ticks.toSorted((a, b) => Number(a - b)));
  assert.deepEqual(errors, []);
});
