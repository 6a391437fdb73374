/**
 * What a GGUF file says of a model besides its tensors.
 *
 * @module
 */

import type { ModelConfig } from "../model/model_config.ts";
import type { GgmlType, GgufValue } from "./gguf_file.ts";

/** `general.file_type` by the type of the matrices: llama.cpp's `llama_ftype`. */
const FILE_TYPE: Record<GgmlType, number> = {
  F32: 0,
  F16: 1,
  Q8_0: 7,
  BF16: 32,
};
/** How ggml's block formats are laid out; the only one since 2023. */
const QUANTIZATION_VERSION = 2;

/** Keys and values, those of the tokenizer left out. */
export function ggufModelMetadata(
  config: ModelConfig,
  { name, type }: { name: string; type: GgmlType },
): [key: string, value: GgufValue][] {
  const { arch, nLayer, nHead, seqLen, nEmbd, ffnDim, normEps } = config;
  const llama: [string, GgufValue][] = [
    ["attention.head_count_kv", { u32: config.nKvHead }],
    ["attention.key_length", { u32: config.headDim }],
    ["attention.value_length", { u32: config.headDim }],
    ["attention.layer_norm_rms_epsilon", { f32: normEps }],
    ["rope.dimension_count", { u32: config.headDim }],
    ["rope.freq_base", { f32: config.ropeTheta }],
    ["vocab_size", { u32: config.vocabSize }],
  ];
  const own: [string, GgufValue][] = [
    ["block_count", { u32: nLayer }],
    ["context_length", { u32: seqLen }],
    ["embedding_length", { u32: nEmbd }],
    ["feed_forward_length", { u32: ffnDim }],
    ["attention.head_count", { u32: nHead }],
    ...arch === "llama"
      ? llama
      : [["attention.layer_norm_epsilon", { f32: normEps }] as [
        string,
        GgufValue,
      ]],
  ];
  return [
    ["general.architecture", { text: arch }],
    ["general.type", { text: "model" }],
    ["general.name", { text: name }],
    ["general.file_type", { u32: FILE_TYPE[type] }],
    ["general.quantization_version", { u32: QUANTIZATION_VERSION }],
    ...own.map(([key, value]) =>
      [`${arch}.${key}`, value] as [string, GgufValue]
    ),
  ];
}
