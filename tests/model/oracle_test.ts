import assert from "node:assert/strict";
import type { Backend, Executable } from "../../src/backend/backend.ts";
import {
  batchPositions,
  buildStepProgram,
  gradient,
} from "../../src/train/step_program.ts";
import {
  loadOracle,
  type Oracle,
  ORACLE_CASES,
  oracleBatch,
} from "./_oracle.ts";
import {
  assertClose,
  BACKENDS,
  compileWith,
  forwardLogits,
} from "./_programs.ts";
import { writeRates } from "../train/_rates.ts";

// PyTorch's own f32 rounding, about 1e-6 of the largest element in these small
// models, times ten. The project promises 1e-4.
const RTOL = 1e-5;

for (const [backendName, openBackend] of Object.entries(BACKENDS)) {
  for (const name of ORACLE_CASES) {
    const oracle = loadOracle(name);
    const { train } = oracle;

    Deno.test(`buildLogits() agrees with PyTorch: ${name} on ${backendName}`, async () => {
      const backend = await openBackend();
      const { ids } = oracleBatch(oracle, 0);
      const logits = await forwardLogits(backend, { ...oracle, ids });
      assertClose(logits, oracle.logits, { rtol: RTOL, what: "logits" });
      await backend.dispose();
    });

    Deno.test(`gradients() agree with PyTorch: ${name} on ${backendName}`, async () => {
      const backend = await openBackend();
      const executable = await compileSteps(backend, oracle);
      writeBatch(executable, oracle, 0);
      await executable.run("firstMicroStep");
      const [loss] = await executable.read("loss");
      assertClose([loss], [oracle.loss], { rtol: RTOL, what: "loss" });
      assert.equal(oracle.grads.size, oracle.weights.size);
      for (const [param, expected] of oracle.grads) {
        const grad = await executable.read(gradient(param));
        assertClose(grad, expected, { rtol: RTOL, what: `d ${param}` });
      }
      await backend.dispose();
    });

    Deno.test(`20 AdamW steps agree with PyTorch: ${name} on ${backendName}`, async () => {
      const backend = await openBackend();
      const executable = await compileSteps(backend, oracle);
      const { beta1, beta2, lrs } = train;
      const losses: number[] = [], norms: number[] = [];
      for (const [step, lr] of lrs.entries()) {
        writeBatch(executable, oracle, step % train.batches);
        const t = step + 1;
        writeRates(executable, lr, 1 - beta1 ** t, 1 - beta2 ** t);
        await executable.run("firstMicroStep");
        await executable.run("update");
        losses.push(...await executable.read("loss"));
        norms.push(...await executable.read("gradNorm"));
      }
      for (let step = 0; step < train.steps; step++) {
        const at = (what: string) => ({
          rtol: RTOL,
          what: `${what} of step ${step}`,
        });
        assertClose([losses[step]], [train.trainLosses[step]], at("loss"));
        assertClose([norms[step]], [train.gradNorms[step]], at("gradNorm"));
      }
      await backend.dispose();
    });
  }
}

async function compileSteps(
  backend: Backend,
  { config, B, weights, train }: Oracle,
): Promise<Executable> {
  const program = buildStepProgram(config, {
    ...train,
    batchSize: B,
    gradAccumSteps: 1,
  });
  return await compileWith(backend, program, weights);
}

function writeBatch(
  executable: Executable,
  { config, B }: Oracle,
  index: number,
): void {
  const { ids, targets } = oracleBatch({ config, B }, index);
  executable.write("ids", ids);
  executable.write("targets", targets);
  executable.write("positions", batchPositions({ B, T: config.seqLen }));
}
