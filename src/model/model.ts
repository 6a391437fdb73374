/**
 * Models as graphs: one forward pass for training and evaluation, one with a
 * key-value cache for generation, from the same layers.
 *
 * Training adds loss, gradients and the update to {@linkcode buildLogits};
 * see src/train/step_program.ts.
 *
 * @module
 */

import { Graph } from "../graph/graph.ts";
import type { Tensor } from "../graph/tensor.ts";
import {
  declareParams,
  dropoutSite,
  type ForwardInputs,
  linear,
  loraForward,
} from "./forward.ts";
import { gpt2FinalNorm, gpt2Trunk } from "./gpt2.ts";
import { llamaFinalNorm, llamaTrunk } from "./llama.ts";
import type { Lora } from "./lora.ts";
import type { ModelConfig } from "./model_config.ts";

/** Sizes of a batch, the random numbers of its dropout, and adapters. */
export interface ForwardOptions {
  /** Sequences. */
  B: number;
  /** Tokens per sequence, at most `config.seqLen`. */
  T: number;
  /** Input u32 (4): with it, and a dropout above 0, dropout acts. */
  rng?: Tensor;
  /** Adapters to add; default: none. */
  lora?: Lora | null;
}

/**
 * Records the forward pass of a batch.
 *
 * Declares the parameters, with adapters those as well, and the inputs `ids`
 * and `positions`, both u32 (B * T); every sequence's positions start at 0.
 *
 * @returns Logits, f32 (B * T, V).
 * @throws {RangeError} If T exceeds the context.
 */
export function buildLogits(
  g: Graph,
  config: ModelConfig,
  { B, T, rng, lora = null }: ForwardOptions,
): Tensor {
  if (T > config.seqLen) {
    throw new RangeError(
      `Cannot build for ${T} tokens: the context has ${config.seqLen}`,
    );
  }
  const { nHead: H, nKvHead: Hkv, headDim: D, dropout: p } = config;
  const dropout = rng && p > 0 ? { p, rng } : undefined;
  const param = declareParams(g, config, lora);
  const inputs = {
    param,
    lora: lora ? loraForward(config, lora, rng) : undefined,
  };
  const x = trunk(g, config, {
    ...inputs,
    ids: g.input("ids", [B * T], "u32"),
    positions: g.input("positions", [B * T], "u32"),
    attend: (qkv, layer) => {
      const site = dropoutSite.attention(layer);
      return g.attention(qkv, {
        B,
        T,
        H,
        Hkv,
        D,
        dropout: dropout && { ...dropout, site },
      }).out;
    },
    dropout,
  });
  return head(g, config, { ...inputs, x });
}

/** Sizes of a graph that {@linkcode buildDecode} makes. */
export interface DecodeShape {
  /** New tokens per run. */
  T: number;
  /** Rows of the cache. */
  S: number;
}

/** Names of the inputs that depend on T, so that graphs can share the rest. */
export function decodeInputs(T: number): { ids: string; positions: string } {
  return { ids: `ids.${T}`, positions: `positions.${T}` };
}

/**
 * The forward pass of T new tokens of one sequence over a cache, for
 * generation. Graphs of different T share parameters, caches, output and:
 *
 * - input `position` u32 (1): cache row of the first new token;
 * - input `lastRow` u32 (1), where T > 1: which of the T rows gives the logits,
 *   so that a shorter piece can be padded: what the padding leaves in the cache
 *   lies beyond every later token's sight until it is overwritten;
 * - states `h.<layer>.kCache`, `h.<layer>.vCache` f32 (S, Hkv * D);
 * - output `logits` f32 (1, V).
 *
 * Of its own it has the inputs that {@linkcode decodeInputs} names, u32 (T).
 * `position + T` must not exceed S.
 */
export function buildDecode(
  config: ModelConfig,
  { T, S }: DecodeShape,
): Graph {
  const g = new Graph();
  const { nHead: H, nKvHead: Hkv, headDim: D } = config;
  const names = decodeInputs(T);
  const param = declareParams(g, config);
  const position = g.input("position", [1], "u32");
  const x = trunk(g, config, {
    param,
    ids: g.input(names.ids, [T], "u32"),
    positions: g.input(names.positions, [T], "u32"),
    attend: (qkv, layer) => {
      const kCache = g.state(`h.${layer}.kCache`, [S, Hkv * D]);
      const vCache = g.state(`h.${layer}.vCache`, [S, Hkv * D]);
      const sizes = { kCache, vCache, position, T, S, H, Hkv, D };
      return g.attentionCached(qkv, sizes);
    },
  });
  head(g, config, {
    param,
    x: T === 1 ? x : g.embedding(x, g.input("lastRow", [1], "u32")), // a row lookup
    out: g.output("logits", [1, config.vocabSize]),
  });
  return g;
}

/** Tokens that {@linkcode buildSample} notes between two looks. */
export const DRAWN_ROWS = 128;

/**
 * Draws a token by the `logits` that a graph of {@linkcode buildDecode} left,
 * as the id that the one with T = 1 reads next: text comes without the host.
 *
 * Inputs `settings` f32 (3), `choice` u32 (6), `used` u32 (ceil(V / 32)) and
 * `drawn` u32 (DRAWN_ROWS): see `sample` in graph/ops.ts.
 */
export function buildSample({ vocabSize: V }: ModelConfig): Graph {
  const g = new Graph();
  g.sample(g.output("logits", [1, V]), {
    settings: g.input("settings", [3], "f32"),
    choice: g.input("choice", [6], "u32"),
    used: g.input("used", [Math.ceil(V / 32)], "u32"),
    drawn: g.input("drawn", [DRAWN_ROWS], "u32"),
    id: g.input(decodeInputs(1).ids, [1], "u32"),
  });
  return g;
}

function trunk(g: Graph, config: ModelConfig, inputs: ForwardInputs): Tensor {
  return config.arch === "gpt2"
    ? gpt2Trunk(g, config, inputs)
    : llamaTrunk(g, config, inputs);
}

/** Final norm and output head: (rows, C) to logits (rows, V). */
function head(
  g: Graph,
  config: ModelConfig,
  { param, lora, x, out }: Pick<ForwardInputs, "param" | "lora"> & {
    x: Tensor;
    out?: Tensor;
  },
): Tensor {
  const normed = config.arch === "gpt2"
    ? gpt2FinalNorm(g, config, { param, x })
    : llamaFinalNorm(g, config, { param, x });
  const weight = config.tieEmbeddings ? "wte" : "lmHead";
  return linear(g, { param, lora }, { x: normed, weight, transB: true, out });
}
