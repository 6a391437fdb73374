/** Adapters against Hugging Face's PEFT, on every backend. */

import assert from "node:assert/strict";
import type { Backend, Executable } from "../../src/backend/backend.ts";
import { valuesOf } from "../../src/base/safetensors.ts";
import { adapterParameters } from "../../src/model/lora.ts";
import { mergedTensors } from "../../src/model/lora_merge.ts";
import {
  batchPositions,
  buildStepProgram,
  gradient,
} from "../../src/train/step_program.ts";
import { readTensors } from "../../src/train/snapshot.ts";
import { writeRates } from "../train/_rates.ts";
import { fromHuggingFace, toHuggingFace } from "./_huggingface.ts";
import { loadLoraOracle, type LoraOracle } from "./_lora_oracle.ts";
import { ORACLE_CASES, oracleBatch } from "./_oracle.ts";
import {
  assertClose,
  BACKENDS,
  compileWith,
  forwardLogits,
} from "./_programs.ts";

// As in oracle_test.ts: PyTorch's own f32 rounding, times ten.
const RTOL = 1e-5;

for (const name of ORACLE_CASES) {
  const oracle = loadLoraOracle(name);
  const { frozen, lora, train } = oracle;
  const { config, B } = frozen;

  Deno.test(`mergedTensors() agrees with PEFT: ${name}`, async () => {
    const merged = new Map(mergedOf(oracle).map((t) => [t.name, t]));
    assert.ok(oracle.merged.size > 0);
    for (const [tensor, expected] of oracle.merged) {
      const values = await valuesOf(merged.get(tensor)!);
      // One rounding here, a sum of rounded terms there.
      assertClose(values, expected, { rtol: 5e-7, what: tensor });
    }
  });

  for (const [backendName, openBackend] of Object.entries(BACKENDS)) {
    Deno.test(`logits with adapters agree with PEFT: ${name} on ${backendName}`, async () => {
      const backend = await openBackend();
      const { ids } = oracleBatch(frozen, 0);
      const weights = new Map([...frozen.weights, ...oracle.factors]);
      const logits = await forwardLogits(backend, {
        ...{ config, lora, weights, ids, B },
      });
      assertClose(logits, oracle.logits, { rtol: RTOL, what: "logits" });

      const params = fromHuggingFace(
        config,
        (await readTensors({ params: mergedOf(oracle), optimizer: [] })).params,
      );
      const merged = await forwardLogits(backend, {
        ...{ config, weights: params, ids, B },
      });
      assertClose(merged, logits, { rtol: RTOL, what: "merged logits" });
      await backend.dispose();
    });

    Deno.test(`gradients() of adapters agree with PEFT: ${name} on ${backendName}`, async () => {
      const backend = await openBackend();
      const executable = await compileSteps(backend, oracle);
      writeBatch(executable, oracle, 0);
      await executable.run("firstMicroStep");
      const [loss] = await executable.read("loss");
      assertClose([loss], [oracle.loss], { rtol: RTOL, what: "loss" });
      assert.equal(oracle.grads.size, oracle.factors.size);
      for (const [param, expected] of oracle.grads) {
        const grad = await executable.read(gradient(param));
        assertClose(grad, expected, { rtol: RTOL, what: `d ${param}` });
      }
      await backend.dispose();
    });

    Deno.test(`20 steps of adapters agree with PEFT: ${name} on ${backendName}`, async () => {
      const backend = await openBackend();
      const executable = await compileSteps(backend, oracle);
      const { beta1, beta2, lrs } = train;
      for (const [step, lr] of lrs.entries()) {
        writeBatch(executable, oracle, step % train.batches);
        const t = step + 1;
        writeRates(executable, lr, 1 - beta1 ** t, 1 - beta2 ** t);
        await executable.run("firstMicroStep");
        await executable.run("update");
        for (
          const [output, expected] of [
            ["loss", train.trainLosses[step]],
            ["gradNorm", train.gradNorms[step]],
          ] as const
        ) {
          const what = `${output} of step ${step}`;
          const actual = await executable.read(output);
          assertClose(actual, [expected], { rtol: RTOL, what });
        }
      }
      for (const [param, values] of frozen.weights) {
        assert.deepEqual(await executable.read(param), values, param);
      }
      await backend.dispose();
    });
  }
}

Deno.test("buildStepProgram() makes nothing for frozen weights", () => {
  const { frozen: { config, B }, lora, train } = loadLoraOracle("llama");
  const options = { ...train, batchSize: B, gradAccumSteps: 1 };
  const program = buildStepProgram(config, { ...options, lora });
  const state = [...program.persistent.values()]
    .filter(({ kind }) => kind === "state").map(({ name }) => name);
  const trained = adapterParameters(config, lora).map(({ name }) => name);
  assert.deepEqual(
    state.toSorted(),
    trained.flatMap((name) => [`d.${name}`, `m.${name}`, `v.${name}`])
      .toSorted(),
  );
  // Of each adapted layer: forward 3 products, backward those of A, of B, of
  // what A gave, and of the input, twice: through A and through the weight,
  // but for the first layer's, whose input depends on no adapter.
  const products = program.phases.firstMicroStep
    .filter(({ op }) => op === "matmul").length;
  const layers = 4 * config.nLayer + 1;
  assert.equal(products, (3 + 5) * layers - 2);
});

function mergedOf({ frozen, lora, factors }: LoraOracle) {
  const { config, weights } = frozen;
  return mergedTensors(config, {
    lora,
    base: toHuggingFace(config, (name) => weights.get(name)!),
    factors: adapterParameters(config, lora).map(({ name, shape }) => ({
      name,
      shape,
      data: factors.get(name)!,
    })),
  });
}

async function compileSteps(
  backend: Backend,
  { frozen: { config, B, weights }, lora, factors, train }: LoraOracle,
): Promise<Executable> {
  const program = buildStepProgram(config, {
    ...train,
    batchSize: B,
    gradAccumSteps: 1,
    lora,
  });
  return await compileWith(
    backend,
    program,
    new Map([...weights, ...factors]),
  );
}

function writeBatch(
  executable: Executable,
  { frozen: { config, B } }: LoraOracle,
  index: number,
): void {
  const { ids, targets } = oracleBatch({ config, B }, index);
  executable.write("ids", ids);
  executable.write("targets", targets);
  executable.write("positions", batchPositions({ B, T: config.seqLen }));
}
