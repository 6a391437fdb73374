import assert from "node:assert/strict";
import { openCpuBackend } from "../../../src/backend/cpu/cpu_backend.ts";
import { loadKernels } from "../../../src/backend/cpu/kernels.ts";
import { openReferenceBackend } from "../../../src/backend/reference/backend.ts";
import { eachParam } from "../../../src/model/init.ts";
import type { ModelConfig } from "../../../src/model/model_config.ts";
import { buildStepProgram } from "../../../src/train/step_program.ts";
import { saySkipped } from "../../_skipped.ts";
import { writeRates } from "../../train/_rates.ts";
import { assertOpClose, opCases, runOpCase } from "../_op_cases.ts";
import { normal, opCase } from "../_op_inputs.ts";
import type { OpCase, OpCaseOf, OpInput } from "../_run_op_case.ts";

const { noBf16 } = loadKernels();
if (noBf16 !== null) saySkipped(`skipped: no bf16 here: ${noBf16}`);
const ignore = noBf16 !== null;

/** Rows up to which a product reads its factors as they are. */
const MATVEC_ROWS = 4;

/** The nearest bf16, ties to even. */
function rounded({ shape, data }: OpInput): OpInput {
  const bits = new Uint32Array(Float32Array.from(data).buffer);
  for (let i = 0; i < bits.length; i++) {
    bits[i] = (bits[i] + 0x7fff + (bits[i] >>> 16 & 1)) & 0xffff0000;
  }
  return { shape, data: new Float32Array(bits.buffer) };
}

/** What a product in bf16 is to compute, in the arithmetic of the reference. */
function withRoundedFactors(opCase: OpCaseOf<"matmul">): OpCase {
  const { M, transA } = opCase.attrs;
  if (M === 1 || M <= MATVEC_ROWS && !transA) return opCase;
  const { a, b } = opCase.in;
  return { ...opCase, in: { ...opCase.in, a: rounded(a), b: rounded(b) } };
}

Deno.test({
  name: "matmul in bf16 rounds its factors and nothing else",
  ignore,
  async fn() {
    const reference = openReferenceBackend();
    const cpu = await openCpuBackend({ threads: 2, precision: "bf16" });
    assert.match(cpu.device.kernels, /^native avx512 gemm in bf16/);
    for (const opCase of opCases) {
      if (opCase.op !== "matmul") continue;
      assertOpClose(
        opCase,
        await runOpCase(cpu, opCase),
        await runOpCase(reference, withRoundedFactors(opCase)),
      );
    }
    await cpu.dispose();
  },
});

/** [M, N, K, transA] at which kernels/gemm.ts packs A … */
const PACKED_A: Record<string, [number, number, number, 0 | 1]> = {
  "once, several blocks deep": [205, 301, 389, 0],
  "once, from columns": [205, 301, 389, 1],
  "once, for several slices of columns": [5, 16500, 259, 0],
  "tile by tile, as all of it is too much": [5200, 5, 421, 0],
  "slice by slice, from columns": [6000, 5, 400, 1],
  "tile by tile, as a slice of columns is too much": [11000, 5, 385, 1],
};

for (const [how, [M, N, K, transA]] of Object.entries(PACKED_A)) {
  Deno.test({
    name: `matmul in bf16 is right when A is packed ${how}`,
    ignore,
    async fn() {
      const product = opCase("matmul", how, {
        in: {
          a: normal(1, transA ? [K, M] : [M, K]),
          b: normal(2, [K, N]),
          bias: normal(3, [N]),
          addTo: normal(4, [M, N]),
        },
        out: { out: [M, N] },
        attrs: { M, N, K, transA, transB: 0 },
        tolerance: 1e-4,
        reason: "f32 sums of up to 421 terms of size 1",
      });
      assert(product.op === "matmul");
      const reference = openReferenceBackend();
      const expected = await runOpCase(reference, withRoundedFactors(product));
      const results = [];
      for (const threads of [1, 3]) {
        const cpu = await openCpuBackend({ threads, precision: "bf16" });
        results.push(await runOpCase(cpu, product));
        await cpu.dispose();
      }
      assertOpClose(product, results[0], expected);
      assert.deepEqual(results[1], results[0]);
    },
  });
}

const MODEL: ModelConfig = {
  arch: "gpt2",
  nLayer: 2,
  nHead: 3,
  nKvHead: 3,
  nEmbd: 51,
  headDim: 17,
  ffnDim: 131,
  seqLen: 37,
  vocabSize: 67,
  bias: true,
  dropout: 0,
  gelu: "tanh",
  ropeTheta: 10000,
  normEps: 1e-5,
  tieEmbeddings: true,
};

/** Losses of some steps on one batch. */
async function train(
  precision: "fp32" | "bf16",
  threads: number,
): Promise<number[]> {
  const backend = await openCpuBackend({ threads, precision });
  const program = buildStepProgram(MODEL, {
    batchSize: 3,
    gradAccumSteps: 1,
    beta1: 0.9,
    beta2: 0.99,
    eps: 1e-8,
    weightDecay: 0.1,
    gradClip: 1,
  });
  const executable = await backend.compile(program);
  for (const [name, values] of eachParam(MODEL, 3)) {
    executable.write(name, values);
  }
  const ids = Uint32Array.from(
    { length: 3 * MODEL.seqLen },
    (_, i) => i * 31 % MODEL.vocabSize,
  );
  executable.write("ids", ids);
  executable.write("targets", ids.map((id) => (id + 1) % MODEL.vocabSize));
  writeRates(executable, 2e-3, 0.1, 0.01);
  const losses: number[] = [];
  for (let step = 0; step < 30; step++) {
    await executable.run("firstMicroStep");
    await executable.run("update");
    losses.push((await executable.read("loss"))[0]);
  }
  await backend.dispose();
  return losses;
}

Deno.test({
  name: "training in bf16 stays close to fp32, whatever the threads",
  ignore,
  async fn() {
    const exact = await train("fp32", 2), losses = await train("bf16", 2);
    assert.deepEqual(await train("bf16", 1), losses);
    losses.forEach((loss, i) => {
      // Factors are off by up to 2^-9, and later steps by what that did.
      const allowed = 0.03 * exact[0];
      assert.ok(
        Math.abs(loss - exact[i]) < allowed,
        `step ${i}: ${loss}, in fp32 ${exact[i]}`,
      );
    });
    assert.notEqual(losses[0], exact[0]);
    assert.ok(exact.at(-1)! < exact[0] / 2, `ended at ${exact.at(-1)}`);
  },
});
