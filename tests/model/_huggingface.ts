/** Checkpoints of Hugging Face's, all in memory, there and back. */

import type { NamedTensor } from "../../src/base/safetensors.ts";
import { sizeOf } from "../../src/graph/tensor.ts";
import { huggingFaceTensors } from "../../src/model/huggingface.ts";
import type { ModelConfig } from "../../src/model/model_config.ts";
import { parameters } from "../../src/model/parameters.ts";

/**
 * The tensors of a checkpoint.
 *
 * @param read Values of one of our parameters; results share its memory.
 */
export function toHuggingFace(
  config: ModelConfig,
  read: (name: string) => Float32Array,
): NamedTensor[] {
  return huggingFaceTensors(config).map(({ name, shape, param, offset }) => {
    const size = sizeOf(shape);
    const data = param === null
      ? new Float32Array(size)
      : read(param).subarray(offset, offset + size);
    return { name, shape, data };
  });
}

/** Our parameters from tensors under their full names, without any checks. */
export function fromHuggingFace(
  config: ModelConfig,
  tensors: readonly NamedTensor[],
): Map<string, Float32Array> {
  const given = new Map(tensors.map(({ name, data }) => [name, data]));
  const params = new Map(
    parameters(config)
      .map(({ name, shape }) => [name, new Float32Array(sizeOf(shape))]),
  );
  for (const { name, param, offset } of huggingFaceTensors(config)) {
    if (param !== null) params.get(param)!.set(given.get(name)!, offset);
  }
  return params;
}
