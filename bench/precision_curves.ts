/**
 * Trains small models in each precision, from several seeds, and compares the
 * loss curves with those of fp32 on the same device.
 *
 *     deno run -A bench/precision_curves.ts [DEVICE] [STEPS] [SEEDS]
 *
 * Results: docs/correctness.md.
 *
 * @module
 */

import { loadConfig, startRun } from "../mod.ts";
import type { Precision } from "../src/backend/devices/device_sources.ts";

const [device = "gpu", steps = "300", seeds = "3"] = Deno.args;

/** What a run comes to. */
interface Curve {
  readonly losses: readonly number[];
  readonly valLoss: number;
  readonly skipped: number;
}

const root = await Deno.makeTempDir({ prefix: "hearth-precision-" });
try {
  for (const arch of ["gpt2", "llama"]) {
    for (let seed = 1; seed <= Number(seeds); seed++) {
      const full = await trained({ arch, seed, precision: "fp32" });
      report(arch, seed, "fp32", full, full);
      const others: Precision[] = device === "cpu" ? ["bf16"] : [
        ...["bf16", "fp16"] as const,
      ];
      for (const precision of others) {
        const curve = await trained({ arch, seed, precision });
        report(arch, seed, precision, curve, full);
      }
    }
  }
} finally {
  await Deno.remove(root, { recursive: true });
}

async function trained(
  { arch, seed, precision }: {
    arch: string;
    seed: number;
    precision: Precision;
  },
): Promise<Curve> {
  const config = await loadConfig({
    set: [
      `seed=${seed}`,
      `device=${device}`,
      `precision=${precision}`,
      "strictDevice=true",
      `model.arch=${arch}`,
      ...["nLayer=2", "nHead=4", "nEmbd=64", "seqLen=64"].map((set) =>
        `model.${set}`
      ),
      "tokenizer.type=char",
      ...["batchSize=8", "lr=2e-3", "warmupSteps=20", "logEvery=1"].map((set) =>
        `train.${set}`
      ),
      `train.steps=${steps}`,
      "train.evalEvery=0",
      "train.evalBatches=20",
    ],
  });
  const losses: number[] = [];
  let valLoss = NaN, skipped = 0;
  const runId = `${arch}-${seed}-${precision}`;
  for await (const event of startRun({ root, config, runId })) {
    if (event.kind === "step") {
      losses.push(event.trainLoss);
      if (event.skipped) skipped++;
    }
    if (event.kind === "eval") valLoss = event.valLoss;
  }
  return { losses, valLoss, skipped };
}

function report(
  arch: string,
  seed: number,
  precision: Precision,
  curve: Curve,
  full: Curve,
): void {
  const off = full.losses.map((loss, i) => Math.abs(loss - curve.losses[i]));
  const mean = off.reduce((sum, one) => sum + one, 0) / off.length;
  console.log(
    arch.padEnd(6),
    `seed ${seed}`,
    precision,
    `val ${curve.valLoss.toFixed(4)}`,
    `(${signed(curve.valLoss - full.valLoss)})`,
    `train: off by ${mean.toExponential(1)} in the mean,`,
    `${Math.max(...off).toExponential(1)} at most; skipped ${curve.skipped}`,
  );
}

function signed(value: number): string {
  return (value < 0 ? "" : "+") + value.toFixed(4);
}
