/**
 * Which settings a resumed run may change, one line for each of the schema.
 *
 * A setting is free to change if the parameters, the optimizer and the data
 * position of a checkpoint mean the same under any value of it. A test checks
 * that the table is complete. It imports nothing, so that `--help` is quick.
 *
 * @module
 */

/** Why a setting cannot change, and what to do instead. */
export interface Refusal {
  /** Ends the sentence "Cannot change model.nLayer from 4 to 6: …". */
  reason: string;
  hint: string;
}

const ANOTHER_RUN = "leave it out, or start another run with hearth train";

const SHAPE: Refusal = {
  reason: "the parameters of the checkpoint have that shape",
  hint: ANOTHER_RUN,
};
const FUNCTION: Refusal = {
  reason: "the parameters of the checkpoint were trained with it",
  hint: ANOTHER_RUN,
};
const TOKENIZER: Refusal = {
  reason: "the embeddings of the checkpoint belong to its tokenizer",
  hint: ANOTHER_RUN,
};
const SPLIT: Refusal = {
  reason: "a run goes on with the split that it began with",
  hint: ANOTHER_RUN,
};
const LENGTH: Refusal = {
  reason: "a resumed run is made longer or shorter from where it stands",
  hint: "add --more-epochs N or --more-steps N",
};

/**
 * By the path of the setting: `free` to change; `checked`: the text can lie
 * elsewhere, and is refused later if it is another text; or why not.
 */
export const RESUME_RULES: Readonly<
  Record<string, "free" | "checked" | Refusal>
> = {
  $schema: "free",
  profile: {
    reason: "a profile also sets what a checkpoint has fixed",
    hint: "name the settings to change, such as --lr or --batch-size",
  },
  seed: {
    reason: "the order of the data and the dropout follow from it",
    hint: ANOTHER_RUN,
  },
  from: {
    reason: "the run has its parameters from there already",
    hint: ANOTHER_RUN,
  },
  device: "free",
  strictDevice: "free",
  precision: "free",
  threads: "free",
  gemm: "free",
  tune: "free",

  "model.arch": SHAPE,
  "model.nLayer": SHAPE,
  "model.nHead": SHAPE,
  "model.nKvHead": SHAPE,
  "model.nEmbd": SHAPE,
  "model.seqLen": {
    reason: "the windows of the data and the positions follow from it",
    hint: ANOTHER_RUN,
  },
  "model.ffnDim": SHAPE,
  "model.bias": SHAPE,
  "model.dropout": "free",
  "model.gelu": FUNCTION,
  "model.ropeTheta": FUNCTION,
  "model.normEps": FUNCTION,
  "model.tieEmbeddings": SHAPE,

  "tokenizer.type": TOKENIZER,
  "tokenizer.vocabSize": TOKENIZER,
  "tokenizer.path": TOKENIZER,

  "data.dataset": "checked",
  "data.textColumn": "checked",
  "data.valDataset": "checked",
  "data.valFraction": SPLIT,

  "train.batchSize": "free",
  "train.prefetchBatches": "free",
  "train.gradAccumSteps": "free",
  "train.recompute": "free",
  "train.epochs": LENGTH,
  "train.steps": LENGTH,
  "train.lr": "free",
  "train.minLr": "free",
  "train.warmupSteps": "free",
  "train.warmupFraction": {
    reason: "the warm-up was settled when the run began",
    hint: "use --warmup-steps N",
  },
  "train.schedule": "free",
  "train.decayFraction": "free",
  "train.weightDecay": "free",
  "train.beta1": "free",
  "train.beta2": "free",
  "train.eps": "free",
  "train.gradClip": "free",
  "train.logEvery": "free",
  "train.evalEvery": "free",
  "train.evalBatches": "free",
  "train.earlyStopPatience": "free",
  "train.maxSkippedSteps": "free",

  "lora.rank": SHAPE,
  "lora.alpha": FUNCTION,
  "lora.dropout": "free",
  "lora.targets": SHAPE,

  "checkpoint.every": "free",
  "checkpoint.keep": "free",
  "checkpoint.best": "free",
};

/** Why a resumed run cannot change the setting at `path`, or null. */
export function refusalOnResume(path: string): Refusal | null {
  const rule = RESUME_RULES[path];
  return typeof rule === "string" ? null : rule;
}
