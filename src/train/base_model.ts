/**
 * A trained model that a new run starts from.
 *
 * @module
 */

import type { TensorSource } from "../base/safetensors.ts";
import type { ModelSection } from "../config/hearth_config.ts";
import { cropContext, type ModelTensors } from "../model/crop_context.ts";
import { canonicalTensors } from "../model/huggingface.ts";
import { configFromHf } from "../model/huggingface_config.ts";
import type { ModelConfig } from "../model/model_config.ts";

/** The part of a checkpoint that counts. */
export interface BaseModel {
  /** Under Hugging Face's names. */
  params: readonly TensorSource[];
  /** Hugging Face's `config.json`. */
  modelConfig: object;
  tokenizerJson: string;
  /** Which checkpoint it is; adapters name it. */
  ref?: BaseRef;
}

/** A checkpoint, by where it is and by what is in it. */
export interface BaseRef {
  /** Such as `owl-1/step-00000500`. */
  from: string;
  /** Of its weights. */
  sha256: string;
}

/** The `model` section that describes a checkpoint's model. */
export function modelSettings(modelConfig: object): ModelSection {
  const { headDim: _, vocabSize: _vocabSize, ...settings } = configFromHf(
    modelConfig,
  );
  return settings;
}

/**
 * The model for a context of `seqLen`.
 *
 * @throws {UserError} If it is longer, or its tensors are not its own.
 */
export function openBaseModel(
  { params, modelConfig }: BaseModel,
  seqLen: number,
): ModelTensors {
  const config = configFromHf(modelConfig);
  const tensors = canonicalTensors(config, params);
  return cropContext({ config, tensors }, seqLen);
}

/**
 * What settings cannot say of an imported model: heads of their own width, and
 * a vocabulary that is larger than the tokenizer's.
 */
export function withSizesOf(
  modelConfig: object,
  model: ModelConfig,
): ModelConfig {
  const own = configFromHf(modelConfig);
  const isAlike = own.arch === model.arch && own.nEmbd === model.nEmbd &&
    own.nHead === model.nHead;
  const { headDim, vocabSize } = own;
  return isAlike ? { ...model, headDim, vocabSize } : model;
}

/** The ids that `config.json` names, to be kept. */
export function tokenIds(modelConfig: object): object {
  const { bos_token_id = null, eos_token_id = null } = modelConfig as Record<
    string,
    unknown
  >;
  return { bos_token_id, eos_token_id };
}
