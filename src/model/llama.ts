/**
 * Llama: rotary positions, RMSNorm before each branch, SwiGLU, grouped-query
 * attention, no biases.
 *
 * Touvron et al. 2023, https://arxiv.org/abs/2302.13971 and 2307.09288; twin:
 * Hugging Face's LlamaForCausalLM. Dropout acts at the places of gpt2.
 *
 * @module
 */

import type { Graph } from "../graph/graph.ts";
import type { Tensor } from "../graph/tensor.ts";
import {
  addBranch,
  dropEmbedding,
  dropoutSite,
  type ForwardInputs,
  linear,
  type ParamLookup,
} from "./forward.ts";
import type { ModelConfig } from "./model_config.ts";

/** The residual stream after the last layer, (rows, C). */
export function llamaTrunk(
  g: Graph,
  config: ModelConfig,
  inputs: ForwardInputs,
): Tensor {
  const { param, ids, positions, attend, dropout } = inputs;
  const { normEps, nHead, nKvHead, headDim: D, ropeTheta: theta } = config;

  let x = dropEmbedding(g, g.embedding(param("wte"), ids), dropout);
  for (let layer = 0; layer < config.nLayer; layer++) {
    x = g.block(() => {
      const h = `h.${layer}`;
      const attIn = g.rmsNorm(x, param(`${h}.norm1.weight`), normEps).out;
      const qkv = linear(g, inputs, {
        x: attIn,
        weight: `${h}.attn.qkv.weight`,
        transB: true,
      });
      const nRotated = nHead + nKvHead; // queries and keys, not values
      const rotated = g.rope(qkv, positions, { nRotated, D, theta });
      const attended = addBranch(g, x, {
        inputs,
        x: attend(rotated, layer),
        weight: `${h}.attn.proj.weight`,
        transB: true,
        site: dropoutSite.attentionBranch(layer),
      });
      const mlpIn =
        g.rmsNorm(attended, param(`${h}.norm2.weight`), normEps).out;
      const gateUp = linear(g, inputs, {
        x: mlpIn,
        weight: `${h}.mlp.gateUp.weight`,
        transB: true,
      });
      return addBranch(g, attended, {
        inputs,
        x: g.swiglu(gateUp),
        weight: `${h}.mlp.down.weight`,
        transB: true,
        site: dropoutSite.mlpBranch(layer),
      });
    });
  }
  return x;
}

/** The last RMSNorm: (rows, C) to what the output head reads. */
export function llamaFinalNorm(
  g: Graph,
  config: ModelConfig,
  { param, x }: { param: ParamLookup; x: Tensor },
): Tensor {
  return g.rmsNorm(x, param("normF.weight"), config.normEps).out;
}
