/**
 * GPT-2: learned positions, LayerNorm before each branch, GELU.
 *
 * Radford et al. 2019, "Language models are unsupervised multitask learners";
 * twin: Hugging Face's GPT2LMHeadModel. Dropout acts where nanoGPT's does.
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
export function gpt2Trunk(
  g: Graph,
  config: ModelConfig,
  inputs: ForwardInputs,
): Tensor {
  const { param, ids, positions, attend, dropout } = inputs;
  const bias = (name: string) =>
    config.bias ? param(`${name}.bias`) : undefined;

  const wpe = g.embedding(param("wpe"), positions);
  const embedded = g.embedding(param("wte"), ids, { addTo: wpe });
  let x = dropEmbedding(g, embedded, dropout);
  for (let layer = 0; layer < config.nLayer; layer++) {
    x = g.block(() => {
      const h = `h.${layer}`;
      const attIn = layerNorm(g, config, { param, name: `${h}.ln1`, x });
      const qkv = linear(g, inputs, {
        x: attIn,
        weight: `${h}.attn.qkv.weight`,
        bias: bias(`${h}.attn.qkv`),
        transB: false,
      });
      const attended = addBranch(g, x, {
        inputs,
        x: attend(qkv, layer),
        weight: `${h}.attn.proj.weight`,
        bias: bias(`${h}.attn.proj`),
        transB: false,
        site: dropoutSite.attentionBranch(layer),
      });
      const mlpIn = layerNorm(g, config, {
        param,
        name: `${h}.ln2`,
        x: attended,
      });
      const fc = linear(g, inputs, {
        x: mlpIn,
        weight: `${h}.mlp.fc.weight`,
        bias: bias(`${h}.mlp.fc`),
        transB: false,
      });
      return addBranch(g, attended, {
        inputs,
        x: g.gelu(fc, { tanh: config.gelu === "tanh" }),
        weight: `${h}.mlp.proj.weight`,
        bias: bias(`${h}.mlp.proj`),
        transB: false,
        site: dropoutSite.mlpBranch(layer),
      });
    });
  }
  return x;
}

/** The last LayerNorm: (rows, C) to what the output head reads. */
export function gpt2FinalNorm(
  g: Graph,
  config: ModelConfig,
  { param, x }: { param: ParamLookup; x: Tensor },
): Tensor {
  return layerNorm(g, config, { param, name: "lnF", x });
}

function layerNorm(
  g: Graph,
  config: ModelConfig,
  { param, name, x }: { param: ParamLookup; name: string; x: Tensor },
): Tensor {
  const bias = config.bias ? param(`${name}.bias`) : null;
  return g.layerNorm(x, param(`${name}.weight`), bias, config.normEps).out;
}
