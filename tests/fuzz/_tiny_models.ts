/** Models of a few hundred parameters, and checkpoints of them. @module */

import { writeCheckpoint } from "../../src/run/checkpoints/checkpoint_files.ts";
import { hfConfig } from "../../src/model/huggingface_config.ts";
import {
  type ModelConfig,
  resolveModel,
} from "../../src/model/model_config.ts";
import { parameters } from "../../src/model/parameters.ts";
import {
  adapterParameters,
  type Lora,
  trainableParameters,
} from "../../src/model/lora.ts";
import type { BaseRef } from "../../src/train/base_model.ts";
import { initialState } from "../../src/train/trainer_state.ts";
import { moments } from "../../src/train/step_program.ts";
import { toHuggingFace } from "../model/_huggingface.ts";

/** One of each kind; the vocabulary is that of the byte tokenizer. */
export const TINY_MODELS: ModelConfig[] = (["gpt2", "llama"] as const)
  .map((arch) =>
    resolveModel({
      ...{ arch, nLayer: 1, nHead: 2, nEmbd: 4, seqLen: 8, ffnDim: 4 },
      ...{ bias: true, dropout: 0, gelu: "tanh", ropeTheta: 10000 },
      ...{ normEps: 1e-5, tieEmbeddings: true },
    }, 257)
  );

/** Where a run of 20 steps stands after 5. */
export const TRAINER = {
  ...initialState({ totalSteps: 20, kernels: "reference" }),
  ...{ step: 5, microStep: 5, cursor: 5, evalStep: 5, bestValLoss: 2 },
};

/** Writes a checkpoint, with every parameter 0. */
export async function writeTinyCheckpoint(
  dir: string,
  model: ModelConfig,
): Promise<void> {
  const all = parameters(model);
  const params = toHuggingFace(
    model,
    (name) => zeros(all.find((one) => one.name === name)!.shape),
  );
  await write(dir, { params, ...await others(model) });
}

/** The same of adapters that belong to another checkpoint. */
export async function writeTinyAdapters(
  dir: string,
  { model, lora, base }: { model: ModelConfig; lora: Lora; base: BaseRef },
): Promise<void> {
  const params = adapterParameters(model, lora)
    .map(({ name, shape }) => ({ name, shape, data: zeros(shape) }));
  const adapter = { lora, base };
  await write(dir, { params, adapter, ...await others(model, lora) });
}

async function others(model: ModelConfig, lora: Lora | null = null) {
  return {
    optimizer: trainableParameters(model, lora).flatMap(({ name, shape }) =>
      [moments.m(name), moments.v(name)]
        .map((name) => ({ name, shape, data: zeros(shape) }))
    ),
    trainer: TRAINER,
    tokenizerJson: await Deno.readTextFile(
      new URL("../fixtures/tokenizer/byte.json", import.meta.url),
    ),
    modelConfig: hfConfig(model),
  };
}

async function write(
  dir: string,
  snapshot: Parameters<typeof writeCheckpoint>[1],
): Promise<void> {
  await writeCheckpoint(dir, snapshot, { sequence: 1, periodic: true });
}

function zeros(shape: readonly number[]): Float32Array {
  return new Float32Array(shape.reduce((a, b) => a * b, 1));
}
