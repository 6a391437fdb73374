import assert from "node:assert/strict";
import { openCpuBackend } from "../../../src/backend/cpu/cpu_backend.ts";
import {
  type KernelChoice,
  loadKernels,
} from "../../../src/backend/cpu/kernels.ts";
import { eachParam } from "../../../src/model/init.ts";
import type { ModelConfig } from "../../../src/model/model_config.ts";
import {
  batchPositions,
  buildStepProgram,
} from "../../../src/train/step_program.ts";
import { saySkipped } from "../../_skipped.ts";
import { writeRates } from "../../train/_rates.ts";
import { bestBuild, cpuBuilds } from "./_builds.ts";

/** Odd sizes, parts of attention that begin inside a block, some tiles. */
const GPT: ModelConfig = {
  arch: "gpt2",
  nLayer: 2,
  nHead: 3,
  nKvHead: 3,
  nEmbd: 51,
  headDim: 17,
  ffnDim: 131,
  seqLen: 150,
  vocabSize: 137,
  bias: true,
  dropout: 0.1,
  gelu: "tanh",
  ropeTheta: 10000,
  normEps: 1e-5,
  tieEmbeddings: true,
};
const MODELS: ModelConfig[] = [
  GPT,
  { ...GPT, gelu: "exact", dropout: 0 },
  {
    ...GPT,
    arch: "llama",
    nHead: 4,
    nKvHead: 2,
    nEmbd: 56,
    headDim: 14,
    bias: false,
  },
];
const BATCH = 3;

/** Bits of all that two steps leave behind. */
async function trainTwoSteps(
  config: ModelConfig,
  options: KernelChoice & { threads: number; pauses?: number },
): Promise<Map<string, Uint32Array>> {
  const backend = await openCpuBackend(options);
  const program = buildStepProgram(config, {
    batchSize: BATCH,
    gradAccumSteps: 2,
    beta1: 0.9,
    beta2: 0.99,
    eps: 1e-8,
    weightDecay: 0.1,
    gradClip: 1,
  });
  const executable = await backend.compile(program);
  for (const [name, values] of eachParam(config, 3)) {
    executable.write(name, values);
  }
  const shape = { B: BATCH, T: config.seqLen };
  const ids = Uint32Array.from(
    { length: shape.B * shape.T },
    (_, i) => i * 31 % config.vocabSize,
  );
  executable.write("ids", ids);
  executable.write("targets", ids.map((id) => (id + 1) % config.vocabSize));
  executable.write("positions", batchPositions(shape));
  if (config.dropout > 0) executable.write("rng", Uint32Array.of(7, 0, 1, 0));
  writeRates(executable, 1e-2, 0.1, 0.01);
  for (let step = 0; step < 2; step++) {
    await executable.run("firstMicroStep");
    await executable.run("nextMicroStep");
    await executable.run("update");
  }
  const bits = new Map<string, Uint32Array>();
  for (const [name, { kind }] of program.persistent) {
    if (kind === "input") continue;
    const { buffer } = await executable.read(name);
    bits.set(name, new Uint32Array(buffer));
  }
  await backend.dispose();
  return bits;
}

for (const [build, choice] of Object.entries(cpuBuilds)) {
  // What differs between the builds is one instruction: one model will do.
  const models = build === bestBuild ? MODELS : MODELS.slice(0, 1);
  for (const config of models) {
    const title = `${config.arch}, ${config.gelu}, dropout ${config.dropout}`;
    Deno.test(`1, 2, 3 and 5 threads train the same bits (${build}; ${title})`, async () => {
      const one = await trainTwoSteps(config, { threads: 1, ...choice });
      const [loss] = new Float32Array(one.get("loss")!.buffer);
      assert.ok(loss > 1 && loss < 6, `loss is ${loss}`);
      for (const threads of [2, 3, 5]) {
        const more = await trainTwoSteps(config, { threads, ...choice });
        for (const [name, bits] of one) {
          assert.deepEqual(more.get(name), bits, `${threads} threads: ${name}`);
        }
      }
    });
  }
}

const { noBf16 } = loadKernels();
if (noBf16 !== null) saySkipped(`skipped: no bf16 here: ${noBf16}`);
const uneven: [string, ModelConfig, KernelChoice][] = [
  ["plain", GPT, cpuBuilds.plain],
  ["the best", GPT, {}],
  ["the best", MODELS[2], {}],
];
if (noBf16 === null) uneven.push(["bf16", GPT, { precision: "bf16" }]);
for (const [build, config, choice] of uneven) {
  Deno.test(`threads that stop at random train the same bits (${build}; ${config.arch})`, async () => {
    const one = await trainTwoSteps(config, { threads: 1, ...choice });
    for (const [pauses, threads] of [2, 3, 4].entries()) {
      const options = { threads, pauses, ...choice };
      const more = await trainTwoSteps(config, options);
      for (const [name, bits] of one) {
        assert.deepEqual(more.get(name), bits, `${threads} threads: ${name}`);
      }
    }
  });
}
