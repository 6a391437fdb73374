/**
 * Adapters that allow little: programs are cut to fit, or one line says why
 * not.
 */

import assert from "node:assert/strict";
import { UserError } from "../../../src/base/errors.ts";
import { Graph } from "../../../src/graph/graph.ts";
import { plan } from "../../../src/graph/plan.ts";
import { resolveModel } from "../../../src/model/model_config.ts";
import { compileSteps } from "../../../src/train/compile_steps.ts";
import { buildStepProgram } from "../../../src/train/step_program.ts";
import {
  collect,
  fakeDataset,
  only,
  openTestSession,
  tinyConfig,
} from "../../train/_helpers.ts";
import { openFaultyGpu } from "./_faulty_gpu.ts";
import { noAdapter as ignore } from "./_webgpu.ts";

const KIB = 1024;

/** As an adapter that binds at most so much, and has no larger buffers. */
const openSmall = (bytes: number) =>
  openFaultyGpu({}, {
    maxBufferSize: bytes,
    maxStorageBufferBindingSize: bytes,
  });

Deno.test("webgpu: small buffers give the same losses as large ones", {
  ignore,
}, async () => {
  const config = tinyConfig({
    model: { arch: "llama", nLayer: 2, nHead: 2, nEmbd: 32, seqLen: 16 },
    train: { steps: 3 },
  });
  const trained = async (bytes: number) => {
    const { backend } = await openSmall(bytes);
    const dataset = fakeDataset(config);
    const session = await openTestSession({ config, backend, dataset });
    const events = await collect(session);
    await session.dispose();
    return only(events, "step").map(({ trainLoss }) => trainLoss);
  };
  // The largest tensor is gateUp, 2 x 96 x 32 numbers.
  const least = 4 * 2 * 96 * 32;
  assert.deepEqual(await trained(least), await trained(1 << 27));
});

Deno.test(
  "webgpu: no buffer is larger than allowed, whose end is no vector's",
  {
    ignore,
  },
  async () => {
    const most = 1024 * KIB + 12;
    const { backend, device } = await openSmall(most);
    const made: number[] = [];
    const create = device.createBuffer.bind(device);
    device.createBuffer = (descriptor) => {
      made.push(descriptor.size);
      return create(descriptor);
    };
    const compile = async (...lengths: number[]) => {
      const g = new Graph();
      lengths.forEach((length, i) => g.state(`x${i}`, [length]));
      await (await backend.compile(plan({ g }))).dispose();
    };
    await compile(256 * KIB - 64, 67); // as many bytes as are allowed
    await compile(256 * KIB);
    await assert.rejects(compile(256 * KIB + 3), {
      name: "UserError",
      message:
        /"x0" takes 1,048,588 bytes, the largest piece that it can bind is 1,048,576 bytes$/,
    });
    assert.ok(made.length > 0 && made.every((size) => size <= most), `${made}`);
    await backend.dispose();
  },
);

Deno.test("webgpu: logits that cannot be bound name the batch that can", {
  ignore,
}, async () => {
  const config = tinyConfig({ train: { batchSize: 64 } });
  const model = resolveModel(config.model, 1000);
  // 6 tokens per sequence: logits of 6 x 1000 numbers each.
  const { backend } = await openSmall(10 * 4 * 6 * 1000);
  const compile = (batchSize: number) =>
    compileSteps(backend, model, { ...config.train, batchSize }, {
      tune: false,
    });
  await assert.rejects(compile(64), (error) => {
    assert.ok(error instanceof UserError);
    assert.match(
      error.message,
      /^Cannot fit the program on .*: "matmul of 384 x 1000" takes 1.5 MB, the largest piece that it can bind is 240.0 kB$/,
    );
    assert.match(error.hint, /^type --batch-size 10, which fits/);
    return true;
  });
  await (await compile(10)).executable.dispose();
  await backend.dispose();
});

Deno.test("webgpu: a vocabulary that cannot be bound is one line", {
  ignore,
}, async () => {
  const config = tinyConfig();
  const model = resolveModel(config.model, 10_000);
  const { backend } = await openSmall(64 * KIB);
  const compiled = compileSteps(backend, model, config.train, { tune: false });
  await assert.rejects(compiled, (error) => {
    assert.ok(error instanceof UserError);
    assert.match(error.message, /"matmul of 12 x 10000" takes 480.0 kB/);
    assert.match(error.hint, /not even a batch of one sequence fits/);
    return true;
  });
  await backend.dispose();
});

Deno.test("webgpu: no memory of a long sequence is for all its scores", {
  ignore,
}, async () => {
  const config = tinyConfig({ model: { seqLen: 512 } });
  const model = resolveModel(config.model, 11);
  const program = buildStepProgram(model, {
    ...config.train,
    batchSize: 1,
    gradAccumSteps: 1,
  });
  // Scores would take 2 heads x 512 x 512 numbers, 2 MiB.
  const { backend } = await openSmall(256 * KIB);
  await (await backend.compile(program)).dispose();
  await backend.dispose();
});

Deno.test("webgpu: memory that runs out names the batch that fits", {
  ignore,
}, async () => {
  const config = tinyConfig({ train: { batchSize: 64 } });
  const model = resolveModel(config.model, 1000);
  const { backend, device } = await openFaultyGpu();
  limitMemory(device, 1e6);
  const compile = (batchSize: number) =>
    compileSteps(backend, model, { ...config.train, batchSize }, {
      tune: false,
    });
  let fitting = 0;
  await assert.rejects(compile(64), (error) => {
    assert.ok(error instanceof UserError);
    assert.match(error.message, /^Cannot allocate \d.* MB on /);
    const hint = /^type --batch-size (\d+), which fits/.exec(error.hint);
    fitting = Number(hint?.[1]);
    return true;
  });
  assert.ok(fitting > 1 && fitting < 64, `${fitting}`);
  const { executable } = await compile(fitting);
  await executable.dispose();
  await assert.rejects(compile(fitting + 1), /Cannot allocate/);
  await backend.dispose(); // all that was tried was given back
});

/** As a driver that gives out so many bytes and no more. */
function limitMemory(device: GPUDevice, bytes: number): void {
  let left = bytes, isOver = false;
  const create = device.createBuffer.bind(device);
  const pop = device.popErrorScope.bind(device);
  device.createBuffer = (descriptor) => {
    left -= descriptor.size;
    if (left < 0) isOver = true;
    const buffer = create(descriptor);
    const destroy = buffer.destroy.bind(buffer);
    buffer.destroy = () => {
      left += descriptor.size;
      destroy();
    };
    return buffer;
  };
  device.popErrorScope = async () => {
    const error = await pop();
    const wasOver = isOver;
    isOver = false;
    return wasOver ? new GPUOutOfMemoryError("Not enough memory left") : error;
  };
}
