/**
 * Trains the same model on the same batches here and with PyTorch, and
 * compares the two loss curves, and each with one that PyTorch computes in f64:
 * what both are away from that is rounding.
 *
 *     deno run -A bench/peers/loss_curve.ts TRAIN.txt VAL.txt [gpt2|llama]
 *
 * `HEARTH_PYTHON` names a Python that has torch, transformers and safetensors;
 * `python3` otherwise. Results: docs/correctness.md.
 *
 * @module
 */

import { join } from "node:path";
import { loadConfig, startRun } from "../../mod.ts";
import type { Batches } from "../../src/data/dataset.ts";
import { openDataset } from "../../src/data/open_dataset.ts";

const STEPS = 200;
/** Validation batches that both sides end with. */
const VAL_BATCHES = 20;

const [trainFile, valFile, arch = "gpt2"] = Deno.args;
if (!trainFile || !valFile) {
  console.error("usage: loss_curve.ts TRAIN.txt VAL.txt [gpt2|llama]");
  Deno.exit(2);
}
const root = await Deno.makeTempDir({ prefix: "hearth-curve-" });
try {
  await compare();
} finally {
  await Deno.remove(root, { recursive: true });
}

async function compare(): Promise<void> {
  // 1. The initial weights as a checkpoint, then the run itself.
  const configOf = (steps: number) =>
    loadConfig({
      set: [
        `model.arch=${arch}`,
        "model.nLayer=4",
        "model.nHead=4",
        "model.nEmbd=128",
        "model.seqLen=128",
        "tokenizer.vocabSize=2048",
        `data.dataset=${trainFile}`,
        `data.valDataset=${valFile}`,
        "train.batchSize=8",
        `train.steps=${steps}`,
        "train.lr=1e-3",
        "train.minLr=1e-4",
        "train.warmupSteps=20",
        "train.logEvery=1",
        "train.evalEvery=0",
        `train.evalBatches=${VAL_BATCHES}`,
      ],
    });
  for await (
    const _ of startRun({ root, config: await configOf(0), runId: "initial" })
  );
  const config = await configOf(STEPS);
  const ours: Losses = { trainLoss: [], valLoss: NaN };
  for await (const event of startRun({ root, config, runId: "curve" })) {
    if (event.kind === "step") ours.trainLoss.push(event.trainLoss);
    if (event.kind === "eval") ours.valLoss = event.valLoss;
  }

  // 2. The same batches for the other side.
  const { train } = config, { seqLen } = config.model;
  const { dataset } = await openDataset({
    data: config.data,
    tokenizer: config.tokenizer,
    seqLen,
    batchSize: train.batchSize,
    seed: config.seed,
    dataDir: join(root, "data"),
  });
  const [val] = dataset.val;
  const words: number[] = [];
  for (let i = 0; i < STEPS + VAL_BATCHES; i++) {
    const { ids, targets } = i < STEPS
      ? await dataset.train.at(i)
      : await val.batches.at(valCursor(i - STEPS, val.batches));
    words.push(...ids, ...targets);
  }
  const bytes = new Uint8Array(Uint32Array.from(words).buffer);
  await Deno.writeFile(join(root, "batches.bin"), bytes);
  dataset.close();
  await Deno.writeTextFile(
    join(root, "settings.json"),
    JSON.stringify({
      ...train,
      steps: STEPS,
      seqLen,
      threads: 2,
      checkpoint: join(root, "checkpoints", "initial", "step-00000000"),
    }),
  );

  // 3. PyTorch, and the difference.
  const script = new URL("loss_curve.py", import.meta.url).pathname;
  const python = Deno.env.get("HEARTH_PYTHON") ?? "python3";
  const { success, stdout } = await new Deno.Command(python, {
    args: [script, root],
    stderr: "inherit",
  }).output();
  if (!success) throw new Error(`${python} ${script} failed`);
  const { versions, f32, f64 } = JSON.parse(
    new TextDecoder().decode(stdout),
  ) as { versions: string; f32: Losses; f64: Losses };
  console.log(`${arch}: hearth against ${versions}`);
  console.log("step      hearth   pytorch  difference");
  for (let step = 0; step < STEPS; step++) {
    if (step % 20 !== 0 && step !== STEPS - 1) continue;
    console.log(row(step + 1, ours.trainLoss[step], f32.trainLoss[step]));
  }
  console.log(row("val", ours.valLoss, f32.valLoss));
  console.log(JSON.stringify({
    arch,
    steps: STEPS,
    hearthToPytorch: apart(ours, f32),
    hearthToF64: apart(ours, f64),
    pytorchToF64: apart(f32, f64),
  }));
}

/** What one side came to. */
interface Losses {
  trainLoss: number[];
  valLoss: number;
}

/** Largest and mean difference of a training loss, and that of validation. */
function apart(a: Losses, b: Losses) {
  const differences = a.trainLoss.map((loss, i) =>
    Math.abs(loss - b.trainLoss[i])
  );
  return {
    largest: Math.max(...differences),
    mean: differences.reduce((a, b) => a + b) / STEPS,
    val: Math.abs(a.valLoss - b.valLoss),
  };
}

/** Evaluations spread their batches over all of the data; evaluate.ts. */
function valCursor(i: number, { batchesPerEpoch }: Batches): number {
  return Math.floor(i * batchesPerEpoch / VAL_BATCHES);
}

function row(label: number | string, ours: number, theirs: number): string {
  return [
    String(label).padEnd(5),
    ours.toFixed(5).padStart(10),
    theirs.toFixed(5).padStart(10),
    Math.abs(ours - theirs).toExponential(1).padStart(10),
  ].join(" ");
}
