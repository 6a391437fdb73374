import assert from "node:assert/strict";
import {
  type Backend,
  type Executable,
  KEPT_PLACES,
} from "../../../src/backend/backend.ts";
import { KERNEL_GENERATION } from "../../../src/backend/kernel_generation.ts";
import { GpuDevice } from "../../../src/backend/webgpu/device/device.ts";
import { Readback } from "../../../src/backend/webgpu/device/readback.ts";
import type {
  Dispatch,
  GpuTensor,
} from "../../../src/backend/webgpu/dispatch.ts";
import { loadProgram } from "../../../src/backend/webgpu/loading/load_program.ts";
import {
  PipelineCache,
  type PlacedDispatch,
} from "../../../src/backend/webgpu/loading/pipelines.ts";
import { lower } from "../../../src/backend/webgpu/lowering/lower.ts";
import { UserError } from "../../../src/base/errors.ts";
import { Graph } from "../../../src/graph/graph.ts";
import { plan } from "../../../src/graph/plan.ts";
import { openFaultyGpu } from "./_faulty_gpu.ts";
import { noAdapter as ignore, openTestGpu, testAdapter } from "./_webgpu.ts";

/** `out = table[ids]`, then doubled, then doubled again in another phase. */
async function open(backend: Backend): Promise<Executable> {
  const g = new Graph();
  const table = g.param("table", [5, 2]);
  const ids = g.input("ids", [3], "u32");
  const rows = g.embedding(table, ids);
  g.add(rows, rows, { out: g.state("out", [3, 2]) });
  const again = new Graph();
  const same = again.state("out", [3, 2]);
  again.add(same, same, { out: same });
  const executable = await backend.compile(plan({ lookUp: g, again }));
  executable.write("table", Float32Array.from({ length: 10 }, (_, i) => i));
  executable.write("ids", Uint32Array.of(4, 0, 2));
  return executable;
}

Deno.test(
  "webgpu: the name of the kernels has their generation",
  { ignore },
  async () => {
    const backend = await openTestGpu();
    const { name, kernels, backend: kind } = backend.device;
    const through = kind === "vulkan" ? "through Vulkan " : "";
    assert.equal(
      kernels,
      `WGSL ${through}on ${name}, generation ${KERNEL_GENERATION.webgpu}`,
    );
    await backend.dispose();
  },
);

Deno.test("webgpu: run() computes, readAll() waits", { ignore }, async () => {
  const backend = await openTestGpu();
  const executable = await open(backend);
  assert.deepEqual(await executable.read("out"), new Float32Array(6));
  const runs = [executable.run("lookUp"), executable.run("again")];
  assert.deepEqual(await executable.readAll(["out", "ids"]), [
    Float32Array.of(32, 36, 0, 4, 16, 20),
    Uint32Array.of(4, 0, 2),
  ]);
  await Promise.all(runs);
  // A write of one input leaves what the others hold.
  executable.write("ids", Uint32Array.of(1, 1, 1));
  assert.deepEqual(await executable.read("ids"), Uint32Array.of(1, 1, 1));
  await executable.run("lookUp");
  assert.deepEqual(
    await executable.read("out"),
    Float32Array.of(4, 6, 4, 6, 4, 6),
  );
  await backend.dispose();
});

Deno.test("webgpu: keep() copies what earlier runs left", {
  ignore,
}, async () => {
  const backend = await openTestGpu();
  const executable = await open(backend);
  await executable.run("lookUp");
  executable.keep!("out", 1); // table[4], twice: 16
  executable.write("ids", Uint32Array.of(1, 1, 1));
  executable.keep!("out", 0); // no run yet
  await executable.run("lookUp");
  executable.keep!("out", 2); // table[1], twice: 4
  const kept = await executable.readKept!(3);
  assert.deepEqual(kept, Float32Array.of(16, 16, 4));
  assert.throws(() => executable.keep!("out", KEPT_PLACES), RangeError);
  await backend.dispose();
});

Deno.test("webgpu: profile() times every dispatch", { ignore }, async () => {
  const backend = await openTestGpu();
  const g = new Graph();
  const [a, b] = [g.state("a", [8, 12]), g.state("b", [12, 4])];
  const out = g.matmul(a, b, { out: g.state("out", [8, 4]) });
  g.add(out, out, { out });
  const executable = await backend.compile(plan({ g }));
  const times = await executable.profile("g", 2);
  assert.deepEqual(
    times.map(({ op, flops, bytes }) => [op, flops, bytes]),
    [
      ["matmul", 2 * 8 * 4 * 12, 4 * (8 * 12 + 12 * 4 + 8 * 4)],
      ["add", 0, 4 * 8 * 4], // in place: one binding
    ],
  );
  assert.ok(times.every(({ ms }) => ms >= 0 && ms < 1e4));
  await backend.dispose();
});

Deno.test("webgpu: profileInOrder() goes by the device's clock", {
  ignore,
}, async () => {
  const backend = await openTestGpu();
  const g = new Graph();
  const x = g.state("x", [1 << 20]);
  g.add(x, x, { out: g.state("y", [1 << 20]) });
  g.fill([4], 1, { out: g.state("few", [4]) });
  const executable = await backend.compile(plan({ g }));
  const times = await executable.profileInOrder("g", 3);
  if (times) { // else the adapter has no clock
    assert.deepEqual(times.map(({ op }) => op), ["add", "fill"]);
    const [long, short] = times.map(({ ms }) => ms);
    assert.ok(long > 0 && short >= 0 && long < 1e4, `${long}, ${short} ms`);
  }
  await backend.dispose();
});

Deno.test("webgpu: what does not exist is refused", { ignore }, async () => {
  const backend = await openTestGpu();
  const executable = await open(backend);
  assert.throws(
    () => executable.write("ids", Float32Array.of(1, 2, 3)),
    new TypeError(
      'Cannot write Float32Array of 3 to "ids": it is a Uint32Array of 3',
    ),
  );
  assert.throws(
    () => executable.write("table", new Float32Array(9)),
    TypeError,
  );
  await assert.rejects(executable.run("no phase"), TypeError);
  await assert.rejects(executable.read("no tensor"), TypeError);
  await executable.dispose();
  await assert.rejects(executable.run("lookUp"), TypeError);
  await backend.dispose();
});

Deno.test(
  "webgpu: large tensors go both ways in pieces",
  { ignore },
  async () => {
    const backend = await openTestGpu();
    const n = 2 ** 22 + 2 ** 16 + 3; // 16 MiB, 256 KiB and 12 bytes
    const g = new Graph();
    const x = g.state("x", [n]);
    g.add(x, x, { out: g.state("y", [n]) });
    const executable = await backend.compile(plan({ g }));
    const data = Float32Array.from({ length: n }, (_, i) => i % 65521);
    executable.write("x", data);
    await executable.run("g");
    const [small, doubled] = await executable.readAll(["x", "y"]);
    assert.ok(small.every((value, i) => value === data[i]));
    assert.ok(doubled.every((value, i) => value === 2 * data[i]));
    await backend.dispose();
  },
);

Deno.test("webgpu: compile() says what does not fit", { ignore }, async () => {
  const backend = await openTestGpu();
  const g = new Graph();
  g.fill([2 ** 30], 0, { out: g.state("large", [2 ** 30]) }); // 4.3 GB
  await assert.rejects(
    backend.compile(plan({ g })),
    (error) =>
      error instanceof UserError &&
      /^Cannot fit the program on .*: "large" takes 4\.3 GB, /
        .test(error.message),
  );
  const executable = await open(backend); // and goes on
  await executable.run("lookUp");
  await backend.dispose();
});

Deno.test("webgpu: compiled shaders are shared", { ignore }, async () => {
  const backend = await openTestGpu();
  const before = backend.pipelineCount; // a driver's first product
  await open(backend);
  const { pipelineCount } = backend;
  await open(backend);
  assert.equal(backend.pipelineCount, pipelineCount);
  assert.equal(pipelineCount - before, 3); // a lookup, a sum, a sum in place
  await backend.dispose();
});

Deno.test(
  "webgpu: a lost device is named from the next call on",
  { ignore },
  async () => {
    const gpu = await GpuDevice.open(testAdapter);
    const readback = await Readback.open(gpu.device);
    const g = new Graph();
    g.fill([3], 1, { out: g.state("x", [3]) });
    const executable = await loadProgram({
      gpu,
      readback,
      pipelines: new PipelineCache(gpu),
      lowered: lower(plan({ g }), {
        maxBindingBytes: gpu.maxBindingBytes,
        gemmVariant: () => assert.fail("there is no product"),
        maxBindings: 8,
        attention: () => ({ flow: "direct" }),
        precision: "fp32",
        fuse: true,
      }),
    });
    await executable.run("g");
    gpu.device.destroy();
    const lost = (error: unknown) =>
      error instanceof UserError &&
      error.message.includes(testAdapter.info.name);
    await assert.rejects(executable.read("x"), lost);
    await assert.rejects(executable.run("g"), lost);
    await executable.dispose();
  },
);

Deno.test(
  "webgpu: a shader that the driver refuses is told as such",
  { ignore },
  async () => {
    const gpu = await GpuDevice.open(testAdapter);
    const x: GpuTensor = {
      dtype: "f32",
      length: 4,
      offset: 0,
      memory: { name: "x", sizeBytes: 16, lifetime: "persistent" },
    };
    const broken: Dispatch = {
      label: "broken",
      bindings: [{ name: "x", type: "f32", tensor: x, written: true }],
      code: "@compute @workgroup_size(1) fn main() { x[0] = nothing; }",
      workgroups: [1, 1, 1],
    };
    const loading = loadProgram({
      gpu,
      readback: await Readback.open(gpu.device),
      pipelines: new PipelineCache(gpu),
      lowered: {
        phases: new Map([["g", [broken]]]),
        persistent: new Map([["x", x]]),
      },
    });
    await assert.rejects(loading, (error) => {
      assert.ok(error instanceof UserError);
      assert.match(error.message, /^Cannot compute on .*nothing/s);
      return true;
    });
    gpu.close();
  },
);

Deno.test(
  "webgpu: after a failure, only what is missing is compiled",
  { ignore },
  async () => {
    const gpu = await GpuDevice.open(testAdapter);
    const asked: string[] = [];
    const create = gpu.device.createShaderModule.bind(gpu.device);
    gpu.device.createShaderModule = (descriptor) => {
      asked.push(descriptor.label!);
      return create(descriptor);
    };
    const place = (label: string, value: string): PlacedDispatch => ({
      dispatch: {
        label,
        bindings: [{
          ...{ name: "x", type: "f32", written: true },
          tensor: {
            ...{ dtype: "f32", length: 4, offset: 0 },
            memory: { name: "x", sizeBytes: 16, lifetime: "persistent" },
          },
        }],
        code: `@compute @workgroup_size(1) fn main() { x[0] = ${value}; }`,
        workgroups: [1, 1, 1],
      },
      writable: [true],
    });
    const pipelines = new PipelineCache(gpu);
    const first = place("first", "1.0"), last = place("last", "2.0");
    const broken = place("broken", "nothing"), worse = place("worse", "none");
    for (let tries = 1; tries <= 2; tries++) {
      const compiling = pipelines.compileAll([first, broken, worse, last]);
      await assert.rejects(compiling, /nothing/);
      assert.equal(pipelines.size, 2);
    }
    const made = await pipelines.compileAll([last, first, last]);
    assert.deepEqual(
      asked,
      ["first", "broken", "worse", "last", "broken", "worse"],
    );
    assert.equal(made.length, 3);
    assert.equal(made[0], made[2]);
    assert.notEqual(made[0], made[1]);
    gpu.check(); // what was refused is no failure of the device
    gpu.close();
  },
);

for (
  const [message, hint] of [
    ["Not enough memory left", / with other programs closed, or a smaller --b/],
    ["vkQueueSubmit: VK_ERROR_OUT_OF_HOST_MEMORY", / a smaller --batch-size, /],
    ["Buffer is invalid", /^try again, or use --device cpu$/],
  ] as const
) {
  Deno.test(`webgpu: what may help is said with "${message}"`, {
    ignore,
  }, async () => {
    const { backend, device } = await openFaultyGpu();
    const executable = await open(backend);
    const event = new Event("uncapturederror", { cancelable: true });
    device.dispatchEvent(Object.assign(event, { error: { message } }));
    await assert.rejects(executable.run("lookUp"), (error) => {
      assert.ok(error instanceof UserError);
      assert.match(error.message, /^Cannot compute on /);
      assert.match(error.hint!, hint);
      return true;
    });
    await backend.dispose();
  });
}
