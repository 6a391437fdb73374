/**
 * Why no precision has a loss scale: one would change no bit.
 *
 * A loss scale keeps gradients out of the range where f16 is coarse (below
 * 6e-5) or zero (below 3e-8). Here gradients are bf16 or f32, whose exponent
 * is the same, and all that is done to them is linear: with a loss that is
 * multiplied by a power of two, every gradient is multiplied by that, to the
 * last bit.
 */

import assert from "node:assert/strict";
import type { Backend } from "../../../src/backend/backend.ts";
import { openCpuBackend } from "../../../src/backend/cpu/cpu_backend.ts";
import { loadKernels } from "../../../src/backend/cpu/kernels.ts";
import type { StoredPrecision } from "../../../src/backend/webgpu/dispatch.ts";
import { eachParam } from "../../../src/model/init.ts";
import { resolveModel } from "../../../src/model/model_config.ts";
import { parameters } from "../../../src/model/parameters.ts";
import {
  batchPositions,
  buildStepProgram,
  gradient,
} from "../../../src/train/step_program.ts";
import { fakeDataset, tinyConfig, V } from "../../train/_helpers.ts";
import { noAdapter, openTestGpu, testAdapter } from "./_webgpu.ts";

const SCALES = [2 ** -20, 1, 2 ** 16];
/** Half of the smallest number of f16 but zero. */
const ZERO_IN_F16 = 2 ** -25;

/** Without f16 in shaders, at least bf16 alone. */
const precision: StoredPrecision =
  testAdapter?.info.features.includes("shader-f16") ? "fp16" : "bf16";
const BACKENDS: Record<
  string,
  { open: () => Promise<Backend>; ignore?: boolean }
> = {
  "cpu bf16": {
    open: () => openCpuBackend({ threads: 2, precision: "bf16" }),
    ignore: loadKernels().noBf16 !== null,
  },
  [`webgpu ${precision}`]: {
    open: () => openTestGpu({ precision }),
    ignore: noAdapter,
  },
};

for (const [name, { open, ignore }] of Object.entries(BACKENDS)) {
  for (const arch of ["gpt2", "llama"] as const) {
    Deno.test(`${name}: a loss scale changes no bit of ${arch}'s gradients`, {
      ignore,
    }, async () => {
      const backend = await open();
      const [tiny, plain, large] = await gradientsOf(backend, arch);
      await backend.dispose();
      let zeros = 0, count = 0;
      for (const [param, values] of plain) {
        const scaled = (by: number) => values.map((value) => value * by);
        assert.ok(values.some((value) => value !== 0), param);
        expectSame(tiny.get(param)!, scaled(SCALES[0]), param);
        expectSame(large.get(param)!, scaled(SCALES[2]), param);
        for (const value of tiny.get(param)!) {
          count++;
          if (Math.abs(value) < ZERO_IN_F16) zeros++;
        }
      }
      // Or else the test would say nothing about what f16 loses.
      assert.ok(zeros > 0.9 * count, `${zeros} of ${count} are tiny`);
    });
  }
}

function expectSame(got: Float32Array, want: Float32Array, name: string): void {
  const at = got.findIndex((value, i) => value !== want[i]);
  assert.equal(got[at], want[at], `${name}[${at}]`);
}

/** Of every parameter, by scale of the loss. */
async function gradientsOf(
  backend: Backend,
  arch: "gpt2" | "llama",
): Promise<Map<string, Float32Array>[]> {
  const config = tinyConfig({
    model: { arch, nLayer: 1, nHead: 4, nEmbd: 32, seqLen: 16 },
    train: { batchSize: 4 },
  });
  const model = resolveModel(config.model, V);
  const { ids, targets } = await fakeDataset(config).train.at(0);
  const found: Map<string, Float32Array>[] = [];
  for (const scale of SCALES) {
    // The first micro-step of so many has a loss of that part.
    const { phases, ...rest } = buildStepProgram(model, {
      ...config.train,
      gradAccumSteps: 1 / scale,
    });
    const { firstMicroStep } = phases;
    const executable = await backend.compile({
      ...rest,
      phases: { firstMicroStep },
    });
    for (const [param, values] of eachParam(model, 1)) {
      executable.write(param, values);
    }
    executable.write("ids", ids);
    executable.write("targets", targets);
    executable.write("positions", batchPositions({ B: 4, T: 16 }));
    await executable.run("firstMicroStep");
    const grads = new Map<string, Float32Array>();
    for (const { name } of parameters(model)) {
      const values = await executable.read(gradient(name));
      grads.set(name, values as Float32Array);
    }
    found.push(grads);
    await executable.dispose();
  }
  return found;
}
