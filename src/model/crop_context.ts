/**
 * A model for shorter texts than it was made for.
 *
 * Rotary positions need no change; of learned ones the first rows stay, as in
 * nanoGPT's `crop_block_size`. Within the new context the logits are the same.
 *
 * @module
 */

import { EXIT, UserError } from "../base/errors.ts";
import { type TensorSource, valuesOf } from "../base/safetensors.ts";
import type { ModelConfig } from "./model_config.ts";

/** A model with its tensors under Hugging Face's names. */
export interface ModelTensors {
  config: ModelConfig;
  tensors: readonly TensorSource[];
}

/** @throws {UserError} If the model's own context is shorter. */
export function cropContext(
  { config, tensors }: ModelTensors,
  seqLen: number,
): ModelTensors {
  if (seqLen === config.seqLen) return { config, tensors };
  if (seqLen > config.seqLen) {
    throw new UserError(
      `Cannot use seqLen ${seqLen}: the model was made for ` +
        `${config.seqLen} tokens`,
      { hint: `use --seq-len ${config.seqLen} or less`, exitCode: EXIT.usage },
    );
  }
  const cropped = { ...config, seqLen };
  if (config.arch !== "gpt2") return { config: cropped, tensors };
  return {
    config: cropped,
    tensors: tensors.map((tensor) =>
      tensor.name.endsWith("wpe.weight") ? firstRows(tensor, seqLen) : tensor
    ),
  };
}

function firstRows(tensor: TensorSource, rows: number): TensorSource {
  const [, cols] = tensor.shape;
  return {
    name: tensor.name,
    shape: [rows, cols],
    // A copy: a reader may release what it gets.
    read: async () => (await valuesOf(tensor)).slice(0, rows * cols),
  };
}
