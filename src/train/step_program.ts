/**
 * The program of a training run: every kernel call of a step, in four phases.
 *
 * - `firstMicroStep`: forward and backward of one batch; loss and gradients
 *   overwrite those of the step before.
 * - `nextMicroStep`: the same, added to the step's loss and gradients; only
 *   there when `gradAccumSteps` is above 1.
 * - `update`: gradient norm, clipping factor, a row of the log of step_log.ts,
 *   AdamW of every trainable parameter.
 * - `eval`: the loss of one batch, without dropout.
 *
 * Losses and gradients stay on the device, which needs no look from step to
 * step. A pure function of the configuration. Oracle: PyTorch's AdamW and
 * `clip_grad_norm_`.
 *
 * @module
 */

import type { TrainSection } from "../config/hearth_config.ts";
import { gradients } from "../graph/gradients.ts";
import { Graph } from "../graph/graph.ts";
import { plan } from "../graph/plan.ts";
import type { Program } from "../graph/program.ts";
import type { Tensor } from "../graph/tensor.ts";
import { type Lora, trainableParameters, usesDropout } from "../model/lora.ts";
import { buildLogits } from "../model/model.ts";
import type { ModelConfig } from "../model/model_config.ts";
import { LOG_ROWS } from "./step_log.ts";

/** The part of the training settings that the program is made of. */
export type StepProgramOptions =
  & Partial<Pick<TrainSection, "recompute">>
  & {
    /** Adapters, which alone have gradients and moments then. */
    lora?: Lora | null;
  }
  & Pick<
    TrainSection,
    | "batchSize"
    | "gradAccumSteps"
    | "beta1"
    | "beta2"
    | "eps"
    | "weightDecay"
    | "gradClip"
  >;

/** Names of AdamW's mean and squared mean of a parameter, f32, its shape. */
export const moments = {
  m: (param: string): string => `m.${param}`,
  v: (param: string): string => `v.${param}`,
};

/** Name of the gradient of a parameter, f32, its shape. */
export function gradient(param: string): string {
  return `d.${param}`;
}

/**
 * The program; B = batchSize, T = seqLen.
 *
 * Inputs: `ids`, `positions`, `targets` u32 (B * T), `rng` u32 (4) when there
 * is dropout (see graph/ops.ts), `slot` u32 (1) and `schedule` f32
 * (LOG_ROWS, 3) of `recordStep`. Outputs, f32 (1): `loss`, the mean over the
 * micro-steps; `gradNorm` before clipping; `scale`, 0 when the update was
 * skipped because the norm is not finite; `evalLoss`, the mean over the
 * targets that are not ignored. These of the last steps: `log`, f32
 * (LOG_ROWS, 4).
 */
export function buildStepProgram(
  config: ModelConfig,
  options: StepProgramOptions,
): Program {
  return plan({
    firstMicroStep: buildMicroStep(config, options, { first: true }),
    ...(options.gradAccumSteps > 1 && {
      nextMicroStep: buildMicroStep(config, options, { first: false }),
    }),
    update: buildUpdate(config, options),
    eval: buildEval(config, options),
  });
}

/** Only the phase `eval`, for looking at a checkpoint: no optimizer memory. */
export function buildEvalProgram(
  config: ModelConfig,
  options: { batchSize: number },
): Program {
  return plan({ eval: buildEval(config, options) });
}

function buildMicroStep(
  config: ModelConfig,
  { batchSize, gradAccumSteps, recompute, lora }: StepProgramOptions,
  { first }: { first: boolean },
): Graph {
  const g = new Graph();
  const rng = usesDropout(config, lora)
    ? g.input("rng", [4], "u32")
    : undefined;
  const { rowLoss, targets } = lossRows(g, config, { batchSize, rng, lora });
  const total = g.output("loss", [1]);
  const loss = g.meanLoss(rowLoss, targets, {
    scale: 1 / gradAccumSteps,
    out: total,
    addTo: first ? undefined : total,
  });

  const into = new Map<Tensor, { out: Tensor; accumulate: boolean }>();
  for (const { name, shape } of trainableParameters(config, lora)) {
    into.set(g.param(name, shape), {
      out: g.state(gradient(name), shape),
      accumulate: !first,
    });
  }
  gradients(g, loss, { into, recompute });
  return g;
}

function buildUpdate(config: ModelConfig, options: StepProgramOptions): Graph {
  const g = new Graph();
  const trainable = trainableParameters(config, options.lora);
  const list = trainable.map(({ name, shape, decay }) => ({
    param: g.param(name, shape),
    grad: g.state(gradient(name), shape),
    m: g.state(moments.m(name), shape),
    v: g.state(moments.v(name), shape),
    weightDecay: decay ? options.weightDecay : 0,
  }));

  let sumSquares: Tensor | undefined;
  for (const { grad } of list) {
    sumSquares = g.sumSquares(grad, { addTo: sumSquares });
  }
  const { gradNorm, scale } = g.clipScale(sumSquares!, { // a model has some
    maxNorm: options.gradClip,
    gradNorm: g.output("gradNorm", [1]),
    scale: g.output("scale", [1]),
  });
  const hyper = g.recordStep({
    loss: g.output("loss", [1]),
    gradNorm,
    scale,
    slot: g.input("slot", [1], "u32"),
    schedule: g.input("schedule", [LOG_ROWS, 3], "f32"),
    log: g.output("log", [LOG_ROWS, 4]),
  });

  const { beta1, beta2, eps } = options;
  for (const { weightDecay, ...tensors } of list) {
    g.adamw({ ...tensors, scale, hyper }, { beta1, beta2, eps, weightDecay });
  }
  return g;
}

function buildEval(
  config: ModelConfig,
  { batchSize, lora }: Pick<StepProgramOptions, "batchSize" | "lora">,
): Graph {
  const g = new Graph();
  const { rowLoss, targets } = lossRows(g, config, { batchSize, lora });
  g.meanLoss(rowLoss, targets, { scale: 1, out: g.output("evalLoss", [1]) });
  return g;
}

/** The forward pass up to the loss of each token. */
function lossRows(
  g: Graph,
  config: ModelConfig,
  { batchSize: B, rng, lora }:
    & Pick<StepProgramOptions, "batchSize" | "lora">
    & { rng?: Tensor },
): { rowLoss: Tensor; targets: Tensor } {
  const T = config.seqLen;
  const logits = buildLogits(g, config, { B, T, rng, lora });
  const targets = g.input("targets", [B * T], "u32");
  return { rowLoss: g.crossEntropy(logits, targets).rowLoss, targets };
}

/** What the input `positions` of a program holds: 0 … T-1, B times. */
export function batchPositions(
  { B, T }: { B: number; T: number },
): Uint32Array {
  return Uint32Array.from({ length: B * T }, (_, i) => i % T);
}
