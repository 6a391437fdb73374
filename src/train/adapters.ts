/**
 * Adapters of a checkpoint, and the model that they were trained beside.
 *
 * @module
 */

import type { TensorSource } from "../base/safetensors.ts";
import { configFromHf } from "../model/huggingface_config.ts";
import { resolveLora } from "../model/lora.ts";
import { checkedFactors, mergedTensors } from "../model/lora_merge.ts";
import { type BaseModel, openBaseModel } from "./base_model.ts";
import type { TrainedAdapters } from "./snapshot.ts";

/** The file by which adapters of Hugging Face's PEFT are known. */
export const PEFT_CONFIG = "adapter_config.json";
/** What to do with them, as they are exported and not read back. */
export const PEFT_HINT =
  "if they are of a run here, name that run; merge others in Python first, " +
  "by merge_and_unload() and save_pretrained()";

/** What a checkpoint says of its adapters. */
interface AdapterFiles {
  adapter: TrainedAdapters;
  /** A and B, in our own names. */
  factors: readonly TensorSource[];
  /** Hugging Face's `config.json`. */
  modelConfig: object;
}

/**
 * Makes sure that adapters belong to the model of their `config.json`.
 *
 * @throws {UserError} If they do not.
 */
export function checkAdapters(
  { adapter, factors, modelConfig }: AdapterFiles,
): void {
  const model = configFromHf(modelConfig);
  resolveLora(adapter.lora, model);
  checkedFactors(model, adapter.lora, factors);
}

/** The frozen tensors beside adapters, for the context of these. */
export function frozenTensors(
  base: BaseModel,
  { modelConfig }: Pick<AdapterFiles, "modelConfig">,
): readonly TensorSource[] {
  return openBaseModel(base, configFromHf(modelConfig).seqLen).tensors;
}

/** The model with the adapters in its weights, under Hugging Face's names. */
export function mergeAdapters(
  base: BaseModel,
  { adapter: { lora }, factors, modelConfig }: AdapterFiles,
): TensorSource[] {
  return mergedTensors(configFromHf(modelConfig), {
    lora,
    base: frozenTensors(base, { modelConfig }),
    factors,
  });
}
