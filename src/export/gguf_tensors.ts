/**
 * The tensors of a model as llama.cpp wants them: its names, matrices as
 * (out, in), and query and key rows in the order of its rotary positions.
 *
 * llama.cpp rotates neighboring channels, Hugging Face's layout the two halves
 * of a head, so the rows of q_proj and k_proj are interleaved here.
 * Source: `permute` and the tables of convert_hf_to_gguf.py in
 * https://github.com/ggml-org/llama.cpp.
 *
 * @module
 */

import { release } from "../base/release.ts";
import type { TensorSource } from "../base/safetensors.ts";
import type { ModelConfig } from "../model/model_config.ts";
import { expectRange } from "./expect_range.ts";
import type { GgmlType, GgufTensor } from "./gguf_file.ts";
import { Q8_BLOCK } from "./q8_0.ts";

/** Modules of a layer: Hugging Face's name, llama.cpp's, what to change. */
const GPT2_MODULES: Record<string, Place> = {
  ln_1: { name: "attn_norm" },
  "attn.c_attn": { name: "attn_qkv", change: "transpose" },
  "attn.c_proj": { name: "attn_output", change: "transpose" },
  ln_2: { name: "ffn_norm" },
  "mlp.c_fc": { name: "ffn_up", change: "transpose" },
  "mlp.c_proj": { name: "ffn_down", change: "transpose" },
};
const LLAMA_MODULES: Record<string, Place> = {
  input_layernorm: { name: "attn_norm" },
  "self_attn.q_proj": { name: "attn_q", change: "interleave" },
  "self_attn.k_proj": { name: "attn_k", change: "interleave" },
  "self_attn.v_proj": { name: "attn_v" },
  "self_attn.o_proj": { name: "attn_output" },
  post_attention_layernorm: { name: "ffn_norm" },
  "mlp.gate_proj": { name: "ffn_gate" },
  "mlp.up_proj": { name: "ffn_up" },
  "mlp.down_proj": { name: "ffn_down" },
};
/** The same outside of layers. */
const OUTER_MODULES: Record<string, Place> = {
  "transformer.wte": { name: "token_embd" },
  "transformer.wpe": { name: "position_embd", isExact: true },
  "transformer.ln_f": { name: "output_norm" },
  "model.embed_tokens": { name: "token_embd" },
  "model.norm": { name: "output_norm" },
  lm_head: { name: "output" },
};

/** Where a module goes. */
interface Place {
  name: string;
  change?: "transpose" | "interleave";
  /** llama.cpp adds it to the embeddings, which takes f32. */
  isExact?: boolean;
}

/**
 * The tensors of a checkpoint for a GGUF file.
 *
 * Vectors and positions are always F32. A matrix whose rows are no whole
 * number of blocks is F16 where Q8_0 is asked for. Reading a tensor fails if
 * its type would make a number infinite.
 *
 * @param tensors Those of `huggingFaceTensors(config)`, in any order.
 * @param type Of the matrices.
 */
export function ggufTensors(
  config: ModelConfig,
  tensors: readonly TensorSource[],
  type: GgmlType,
): GgufTensor[] {
  return tensors.map((tensor) => {
    const { name, change, isExact } = placeOf(tensor.name);
    const isMatrix = tensor.shape.length === 2;
    const shape = isMatrix && change === "transpose"
      ? tensor.shape.toReversed()
      : tensor.shape;
    const stored = isMatrix && !isExact ? typeFor(shape, type) : "F32";
    const source = expectRange(tensor, stored);
    return {
      name,
      shape,
      type: stored,
      read: async () => {
        const values = await source.read();
        if (!isMatrix || !change) return values;
        const changed = CHANGES[change](values, tensor.shape, config.headDim);
        release(values);
        return changed;
      },
    };
  });
}

function typeFor(shape: readonly number[], type: GgmlType): GgmlType {
  return type === "Q8_0" && shape.at(-1)! % Q8_BLOCK !== 0 ? "F16" : type;
}

function placeOf(tensor: string): Place {
  const dot = tensor.lastIndexOf(".");
  const [module, kind] = [tensor.slice(0, dot), tensor.slice(dot)];
  const inLayer = /^(?:transformer\.h|model\.layers)\.(\d+)\.(.+)$/.exec(
    module,
  );
  const place = inLayer === null
    ? OUTER_MODULES[module]
    : (GPT2_MODULES[inLayer[2]] ?? LLAMA_MODULES[inLayer[2]]);
  if (!place) throw new TypeError(`No place in a GGUF for "${tensor}"`);
  const prefix = inLayer === null ? "" : `blk.${inLayer[1]}.`;
  return { ...place, name: `${prefix}${place.name}${kind}` };
}

type Change = (
  values: Float32Array,
  shape: readonly number[],
  headDim: number,
) => Float32Array;

const CHANGES: Record<NonNullable<Place["change"]>, Change> = {
  transpose(values, [rows, cols]) {
    const out = new Float32Array(values.length);
    for (let r = 0; r < rows; r++) {
      for (let c = 0; c < cols; c++) out[c * rows + r] = values[r * cols + c];
    }
    return out;
  },
  /** Of each head, row i of the first half, then row i of the second. */
  interleave(values, [rows, cols], D) {
    const out = new Float32Array(values.length);
    for (let row = 0; row < rows; row++) {
      const head = Math.floor(row / D), i = row % D, half = D / 2;
      const to = head * D + (i < half ? 2 * i : 2 * (i - half) + 1);
      out.set(values.subarray(row * cols, (row + 1) * cols), to * cols);
    }
    return out;
  },
};
