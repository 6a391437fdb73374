/**
 * Adapters as Hugging Face's PEFT loads them: `adapter_config.json` and
 * `adapter_model.safetensors`, beside an export of the frozen model.
 *
 * Where one weight of ours is several of theirs (query, key and value of
 * llama), each gets the same A and its own rows of B, which computes the same.
 *
 * @module
 */

import {
  type DeferredTensor,
  type TensorSource,
  valuesOf,
} from "../base/safetensors.ts";
import { huggingFaceTensors } from "../model/huggingface.ts";
import { type Adapter, adapters, type Lora } from "../model/lora.ts";
import type { ModelConfig } from "../model/model_config.ts";
import { PEFT_CONFIG } from "../train/adapters.ts";

/** Names of the files. */
export const PEFT_FILES = {
  config: PEFT_CONFIG,
  weights: "adapter_model.safetensors",
} as const;

/** A module of transformers' that has an adapter. */
interface AdaptedModule {
  /** Such as `transformer.h.0.attn.c_attn`. */
  readonly name: string;
  readonly adapter: Adapter;
  /** Its rows of B. */
  readonly firstRow: number;
  readonly rows: number;
}

/**
 * The object in `adapter_config.json`. It does not say where the frozen model
 * is: whoever loads the adapters has an export of it, in some folder.
 */
export function peftConfig(model: ModelConfig, lora: Lora): object {
  // The last two words tell gpt2's attn.c_proj from its mlp.c_proj.
  const targets = modulesOf(model, lora)
    .map(({ name }) => name.split(".").slice(-2).join("."));
  return {
    peft_type: "LORA",
    task_type: "CAUSAL_LM",
    base_model_name_or_path: null,
    r: lora.rank,
    lora_alpha: lora.alpha,
    lora_dropout: lora.dropout,
    target_modules: [...new Set(targets)],
    fan_in_fan_out: model.arch === "gpt2",
    bias: "none",
    inference_mode: true,
  };
}

/**
 * The tensors of `adapter_model.safetensors`.
 *
 * @param factors A and B, in our own names.
 */
export function peftTensors(
  model: ModelConfig,
  lora: Lora,
  factors: readonly TensorSource[],
): DeferredTensor[] {
  const given = new Map(factors.map((tensor) => [tensor.name, tensor]));
  const read = async (name: string) =>
    (await valuesOf(given.get(name)!)).slice();
  return modulesOf(model, lora).flatMap(
    ({ name, adapter: { a, b }, firstRow, rows }) => [
      {
        name: `base_model.model.${name}.lora_A.weight`,
        shape: a.shape,
        read: () => read(a.name),
      },
      {
        name: `base_model.model.${name}.lora_B.weight`,
        shape: [rows, lora.rank],
        read: async () =>
          (await read(b.name)).slice(
            firstRow * lora.rank,
            (firstRow + rows) * lora.rank,
          ),
      },
    ],
  );
}

function modulesOf(model: ModelConfig, lora: Lora): AdaptedModule[] {
  const known = new Map(adapters(model, lora).map((one) => [one.weight, one]));
  return huggingFaceTensors(model).flatMap(({ name, shape, param, offset }) => {
    const adapter = param === null ? undefined : known.get(param);
    if (!adapter) return [];
    const [outs] = adapter.b.shape;
    return {
      name: name.replace(/\.weight$/, ""),
      adapter,
      firstRow: offset / shape[1], // 0 of gpt2's, which are never parts
      rows: adapter.isTransposed ? outs : shape[0],
    };
  });
}
