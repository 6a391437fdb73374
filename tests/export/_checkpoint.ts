import { hfConfig } from "../../src/model/huggingface_config.ts";
import {
  type ModelConfig,
  resolveModel,
} from "../../src/model/model_config.ts";
import type { ChosenCheckpoint } from "../../src/run/checkpoints/checkpoint_ref.ts";
import { byteTokenizerJson } from "../../src/tokenizer/mod.ts";
import { initialState } from "../../src/train/trainer_state.ts";
import { hashedWeights } from "../model/_oracle.ts";

const SHAPE = {
  nLayer: 2,
  nHead: 4,
  nEmbd: 64,
  seqLen: 96,
  bias: true,
  dropout: 0,
  gelu: "tanh",
  ropeTheta: 10000,
  normEps: 1e-5,
  tieEmbeddings: true,
} as const;

/** Bytes, and the token that ends a text. */
const BYTE_VOCABULARY = 257;

/** Models of both kinds: rows of 64 and 128 are whole blocks of Q8_0. */
export const MODELS: Record<string, ModelConfig> = {
  gpt2: resolveModel({ ...SHAPE, arch: "gpt2" }, BYTE_VOCABULARY),
  llama: resolveModel({
    ...SHAPE,
    arch: "llama",
    nKvHead: 2,
    ffnDim: 96,
    tieEmbeddings: false,
  }, BYTE_VOCABULARY),
};

/** A checkpoint with made-up weights. */
export function checkpointOf(
  config: ModelConfig,
  tokenizerJson: string = byteTokenizerJson(),
): ChosenCheckpoint {
  const params = hashedWeights(config);
  const trainer = {
    ...initialState({ totalSteps: 500, kernels: "none" }),
    step: 500,
    tokens: 64000,
    bestValLoss: 1.25,
  };
  const modelConfig = hfConfig(config, { endOfText: 256 });
  return {
    runId: "owl-1",
    name: "step-00000500",
    dir: "checkpoints/owl-1/step-00000500",
    sizeBytes: 0,
    weightsSha256: "",
    warnings: [],
    content: { params, trainer, modelConfig, tokenizerJson },
  };
}
