import assert from "node:assert/strict";
import { openReferenceBackend } from "../../src/backend/reference/backend.ts";
import type { Executable } from "../../src/backend/backend.ts";
import { eachParam } from "../../src/model/init.ts";
import {
  type ModelConfig,
  resolveModel,
} from "../../src/model/model_config.ts";
import { parameters } from "../../src/model/parameters.ts";
import {
  batchPositions,
  buildEvalProgram,
  buildStepProgram,
  gradient,
  moments,
} from "../../src/train/step_program.ts";
import { fakeDataset, tinyConfig, V } from "./_helpers.ts";
import { writeRates } from "./_rates.ts";

const CONFIG = tinyConfig({
  train: { gradAccumSteps: 2, gradClip: 0.5, beta1: 0.8, weightDecay: 0.3 },
});
const MODEL = resolveModel(CONFIG.model, V);

/** The program on the reference backend, with parameters and positions. */
async function open(
  model: ModelConfig,
  train = CONFIG.train,
): Promise<Executable> {
  const program = buildStepProgram(model, train);
  const executable = await openReferenceBackend().compile(program);
  for (const [name, values] of eachParam(model, 3)) {
    executable.write(name, values);
  }
  const B = train.batchSize, T = model.seqLen;
  executable.write("positions", batchPositions({ B, T }));
  return executable;
}

async function runMicroSteps(executable: Executable, count: number) {
  const { train } = fakeDataset(CONFIG);
  for (let microStep = 0; microStep < count; microStep++) {
    const { ids, targets } = await train.at(microStep);
    executable.write("ids", ids);
    executable.write("targets", targets);
    await executable.run(microStep === 0 ? "firstMicroStep" : "nextMicroStep");
  }
}

Deno.test("buildStepProgram() has a phase for accumulation only when needed", () => {
  const phases = (gradAccumSteps: number) =>
    Object.keys(
      buildStepProgram(MODEL, { ...CONFIG.train, gradAccumSteps }).phases,
    );
  assert.deepEqual(phases(1), ["firstMicroStep", "update", "eval"]);
  assert.deepEqual(phases(2), [
    "firstMicroStep",
    "nextMicroStep",
    "update",
    "eval",
  ]);
});

Deno.test("buildStepProgram() draws random numbers only when there is dropout", () => {
  const randomCalls = (dropout: number) => {
    const program = buildStepProgram({ ...MODEL, dropout }, CONFIG.train);
    const count = (phase: string) =>
      program.phases[phase].filter((call) => "rng" in call.in).length;
    assert.equal(program.persistent.has("rng"), dropout > 0);
    return [count("firstMicroStep"), count("eval")];
  };
  assert.deepEqual(randomCalls(0), [0, 0]);
  const [training, evaluation] = randomCalls(0.1);
  assert.equal(training, 8); // 4 places in one layer, there and back
  assert.equal(evaluation, 0);
});

Deno.test("buildEvalProgram() keeps only the parameters and what a batch needs", () => {
  const program = buildEvalProgram(MODEL, CONFIG.train);
  assert.deepEqual(
    [...program.persistent.keys()].sort(),
    [
      ...parameters(MODEL).map(({ name }) => name),
      "ids",
      "positions",
      "targets",
      "evalLoss",
    ].sort(),
  );
});

Deno.test("micro-steps average loss and gradients as one bigger batch does", async () => {
  const accumulated = await open(MODEL);
  await runMicroSteps(accumulated, 2);

  const { batchSize } = CONFIG.train;
  const train = {
    ...CONFIG.train,
    batchSize: 2 * batchSize,
    gradAccumSteps: 1,
  };
  const joint = await open(MODEL, train);
  const dataset = fakeDataset(CONFIG);
  const batches = [await dataset.train.at(0), await dataset.train.at(1)];
  const join = (parts: Uint32Array[]) =>
    Uint32Array.from(parts.flatMap((part) => [...part]));
  joint.write("ids", join(batches.map((batch) => batch.ids)));
  joint.write("targets", join(batches.map((batch) => batch.targets)));
  await joint.run("firstMicroStep");

  for (
    const name of [
      "loss",
      ...parameters(MODEL).map((p) => gradient(p.name)),
    ]
  ) {
    // Both round to f32, in another order: a few ulps of values below 3.
    assertClose(
      await accumulated.read(name),
      await joint.read(name),
      1e-6,
      name,
    );
  }
});

Deno.test("firstMicroStep forgets the gradients of the step before", async () => {
  const once = await open(MODEL);
  await runMicroSteps(once, 2);
  const twice = await open(MODEL);
  await runMicroSteps(twice, 2);
  await runMicroSteps(twice, 2);
  for (const { name } of parameters(MODEL)) {
    assert.deepEqual(
      await twice.read(gradient(name)),
      await once.read(gradient(name)),
    );
  }
});

Deno.test("update is AdamW with clipping, computed anew in f64", async () => {
  const executable = await open(MODEL);
  const { beta1, beta2, eps, gradClip, weightDecay } = CONFIG.train;
  const lr = 0.05;
  const kept = new Map<string, { x: number[]; m: number[]; v: number[] }>();
  for (const [name, values] of eachParam(MODEL, 3)) {
    const zeros = Array.from(values, () => 0);
    kept.set(name, { x: [...values], m: [...zeros], v: [...zeros] });
  }

  for (const t of [1, 2]) {
    await runMicroSteps(executable, 2);
    const grads = new Map<string, Float32Array>();
    let sumSquares = 0;
    for (const { name } of parameters(MODEL)) {
      const grad = await executable.read(gradient(name)) as Float32Array;
      grads.set(name, grad);
      for (const g of grad) sumSquares += g * g;
    }
    const norm = Math.sqrt(sumSquares);
    const scale = gradClip / norm;
    assert.ok(scale < 1, `norm ${norm} is not clipped`);

    const corrections = [1 - beta1 ** t, 1 - beta2 ** t] as const;
    writeRates(executable, lr, ...corrections);
    await executable.run("update");
    assertClose(await executable.read("gradNorm"), [norm], 1e-6, "norm");
    assertClose(await executable.read("scale"), [scale], 1e-5, "scale");
    for (const { name, decay, shape } of parameters(MODEL)) {
      assert.equal(decay, shape.length === 2, name);
      const { x, m, v } = kept.get(name)!;
      for (const [i, grad] of grads.get(name)!.entries()) {
        const g = grad * scale;
        m[i] = beta1 * m[i] + (1 - beta1) * g;
        v[i] = beta2 * v[i] + (1 - beta2) * g * g;
        if (decay) x[i] -= lr * weightDecay * x[i];
        x[i] -= lr * (m[i] / corrections[0]) /
          (Math.sqrt(v[i] / corrections[1]) + eps);
      }
      assertClose(await executable.read(moments.m(name)), m, 1e-6, name);
      assertClose(await executable.read(moments.v(name)), v, 1e-6, name);
      // The sign-like first update turns rounding into up to 1e-5 of lr.
      assertClose(await executable.read(name), x, 2e-6, name);
    }
  }
});

Deno.test("update leaves everything alone when a gradient is not finite", async () => {
  const executable = await open(MODEL);
  const [wte] = new Map(eachParam(MODEL, 3)).values();
  executable.write("wte", wte.with(0, NaN));
  await runMicroSteps(executable, 2);
  writeRates(executable, 0.05, 0.2, 0.05);
  await executable.run("update");
  assert.deepEqual([...await executable.read("scale")], [0]);
  for (const [name, values] of eachParam(MODEL, 3)) {
    if (name !== "wte") {
      assert.deepEqual(await executable.read(name), values);
    }
    const zeros = new Float32Array(values.length);
    assert.deepEqual(await executable.read(moments.m(name)), zeros);
    assert.deepEqual(await executable.read(moments.v(name)), zeros);
  }
});

function assertClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  atol: number,
  what: string,
): void {
  assert.equal(actual.length, expected.length, what);
  for (let i = 0; i < actual.length; i++) {
    assert.ok(
      Math.abs(actual[i] - expected[i]) <= atol,
      `${what}[${i}] is ${actual[i]}, expected ${expected[i]}`,
    );
  }
}
