/**
 * Where the time of a training step goes on the CPU, op by op:
 * `deno run -A bench/ops_bench.ts [model…] [--threads N] [--calls]`.
 *
 * Runs whole steps of real models, first without a clock for the tokens per
 * second, then with a clock around every call (the shortest of some runs). GB/s counts each tensor of a
 * call once. `--calls` prints every call of the micro-step. Models: see below.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { openCpuBackend } from "../src/backend/cpu/cpu_backend.ts";
import { sizeOf } from "../src/graph/graph.ts";
import type { AnyCall } from "../src/graph/ops.ts";
import type { PlacedTensor } from "../src/graph/program.ts";
import { initParams } from "../src/model/init.ts";
import type { Arch, ModelConfig } from "../src/model/model_config.ts";
import { batchPositions, buildStepProgram } from "../src/train/step_program.ts";

interface Bench {
  batchSize: number;
  config: ModelConfig;
}

const MODELS: Record<string, Bench> = {
  demo: bench(16, [4, 4, 128, 128, 1024]),
  "char-cpu": bench(12, [4, 4, 128, 64, 65]),
  char: bench(8, [6, 6, 384, 256, 65]),
  llama: bench(8, [6, 6, 384, 256, 4096], "llama"),
  gpt2: bench(2, [12, 12, 768, 256, 50304]),
};

/** Sizes are L, H, C, T and V. */
function bench(
  batchSize: number,
  [nLayer, nHead, nEmbd, seqLen, vocabSize]: number[],
  arch: Arch = "gpt2",
): Bench {
  const config: ModelConfig = {
    arch,
    nLayer,
    nHead,
    nKvHead: arch === "llama" ? nHead / 2 : nHead,
    nEmbd,
    headDim: nEmbd / nHead,
    ffnDim: arch === "llama" ? nEmbd * 8 / 3 : 4 * nEmbd,
    seqLen,
    vocabSize,
    bias: arch === "gpt2",
    dropout: 0,
    gelu: "tanh",
    ropeTheta: 10000,
    normEps: 1e-5,
    tieEmbeddings: true,
  };
  return { batchSize, config };
}

const OPTIMIZER = {
  gradAccumSteps: 1,
  beta1: 0.9,
  beta2: 0.99,
  eps: 1e-8,
  weightDecay: 0.1,
  gradClip: 1,
};

const { values: flags, positionals } = parseArgs({
  args: Deno.args,
  allowPositionals: true,
  options: {
    threads: { type: "string", default: "0" },
    dropout: { type: "string", default: "0" },
    calls: { type: "boolean", default: false },
  },
});
const names = positionals.length > 0 ? positionals : Object.keys(MODELS);
const backend = await openCpuBackend({ threads: Number(flags.threads) });
const { name, threads, kernels } = backend.device;
console.log(`${name}, ${threads} threads, ${kernels}`);
for (const model of names) {
  const { batchSize } = MODELS[model];
  const config = { ...MODELS[model].config, dropout: Number(flags.dropout) };
  const program = buildStepProgram(config, { batchSize, ...OPTIMIZER });
  const executable = await backend.compile(program);
  const tokens = batchSize * config.seqLen;
  for (const [param, values] of initParams(config, 1)) {
    executable.write(param, values);
  }
  const ids = Uint32Array.from(
    { length: tokens },
    (_, i) => i * 7919 % config.vocabSize,
  );
  executable.write("ids", ids);
  executable.write("targets", ids);
  executable.write("hyper", Float32Array.of(1e-4, 0.1, 0.1));
  if (program.persistent.has("positions")) {
    const shape = { B: batchSize, T: config.seqLen };
    executable.write("positions", batchPositions(shape));
  }
  if (config.dropout > 0) executable.write("rng", Uint32Array.of(1, 2, 3, 4));

  // 1. Whole steps, as in training.
  const times: number[] = [];
  for (let total = 0; times.length < 5 || total < 2000;) {
    const start = performance.now();
    await executable.run("firstMicroStep");
    await executable.run("update");
    times.push(performance.now() - start);
    total += times.at(-1)!;
  }
  times.sort((a, b) => a - b);
  const median = times[times.length >> 1];
  console.log(
    `\n${model}: B${batchSize} T${config.seqLen} L${config.nLayer} ` +
      `C${config.nEmbd} V${config.vocabSize}: ${median.toFixed(1)} ms/step, ` +
      `${Math.round(tokens / median * 1000)} tokens/s ` +
      `(best ${Math.round(tokens / times[0] * 1000)})`,
  );

  // 2. Call by call.
  const runs = Math.max(2, Math.min(20, Math.round(1000 / median)));
  const rows = new Map<string, { ms: number; work: number; bytes: number }>();
  let totalMs = 0;
  for (const phase of ["firstMicroStep", "update"]) {
    const calls = await executable.profile(phase, runs);
    calls.forEach(({ op, ms, attrs }, i) => {
      const row = rows.get(op) ?? { ms: 0, work: 0, bytes: 0 };
      const call = program.phases[phase][i];
      row.ms += ms;
      row.work += flops(call);
      row.bytes += touched(call);
      totalMs += ms;
      rows.set(op, row);
      if (flags.calls) {
        console.log(
          `  ${op.padEnd(22)} ${ms.toFixed(3).padStart(9)} ms ` +
            `${(flops(call) / ms / 1e6).toFixed(1).padStart(7)} ` +
            JSON.stringify(attrs),
        );
      }
    });
  }
  const sorted = [...rows].sort(([, a], [, b]) => b.ms - a.ms);
  for (const [op, { ms, work, bytes }] of sorted) {
    const share = `${(100 * ms / totalMs).toFixed(1)} %`;
    const rate = work > 0
      ? `${(work / ms / 1e6).toFixed(1).padStart(7)} GFLOP/s`
      : `${(bytes / ms / 1e6).toFixed(1).padStart(7)} GB/s`;
    console.log(
      `  ${op.padEnd(22)} ${ms.toFixed(3).padStart(9)} ms ` +
        `${share.padStart(7)} ${rate}`,
    );
  }
  await executable.dispose();
}
await backend.dispose();

/** Multiplications and additions of the compute-bound ops; others 0. */
function flops({ op, attrs }: AnyCall<PlacedTensor>): number {
  if (op === "matmul") return 2 * attrs.M * attrs.N * attrs.K;
  // Two products forward, five backward, over half of T x T.
  if (op === "attention" || op === "attentionBackward") {
    const { B, T, H, D } = attrs;
    return (op === "attention" ? 2 : 5) * B * H * T * T * D;
  }
  return 0;
}

/** Bytes of all tensors of a call. */
function touched(call: AnyCall<PlacedTensor>): number {
  const tensors: (PlacedTensor | undefined)[] = [
    ...Object.values(call.in),
    ...Object.values(call.out),
  ];
  return tensors.reduce((sum, t) => sum + (t ? 4 * sizeOf(t.shape) : 0), 0);
}
