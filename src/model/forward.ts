/**
 * What the architectures share: how parameters are declared, and where
 * dropout acts.
 *
 * @module
 */

import type { Graph, Tensor } from "../graph/graph.ts";
import type { ModelConfig } from "./model_config.ts";
import { parameters } from "./parameters.ts";

/** What an architecture builds its forward pass from; rows = tokens. */
export interface ForwardInputs {
  readonly param: ParamLookup;
  /** Token ids, u32 (rows). */
  readonly ids: Tensor;
  /** Place of each token in its sequence, u32 (rows). */
  readonly positions: Tensor;
  /** Causal attention of one layer over packed rows [q | k | v]. */
  readonly attend: (qkv: Tensor, layer: number) => Tensor;
  /** Absent outside of training. */
  readonly dropout?: Dropout;
}

/** Dropout of one micro-step; see `Ops.dropout`. */
export interface Dropout {
  readonly p: number;
  /** u32 (4). */
  readonly rng: Tensor;
}

/** A number for each place where dropout acts, so that no two share a mask. */
export const dropoutSite = {
  embedding: 0,
  attention: (layer: number) => 1 + 3 * layer,
  attentionBranch: (layer: number) => 2 + 3 * layer,
  mlpBranch: (layer: number) => 3 + 3 * layer,
};

/** Looks up a declared parameter. @throws {TypeError} If there is none. */
export type ParamLookup = (name: string) => Tensor;

/**
 * Declares all parameters, in the order of {@linkcode parameters}, so that
 * every graph of a model lists them alike.
 */
export function declareParams(g: Graph, config: ModelConfig): ParamLookup {
  const declared = new Map<string, Tensor>();
  for (const { name, shape } of parameters(config)) {
    declared.set(name, g.param(name, shape));
  }
  return (name) => {
    const param = declared.get(name);
    if (!param) throw new TypeError(`No parameter is named "${name}"`);
    return param;
  };
}

/** Sum of token (and position) embeddings, after dropout. */
export function dropEmbedding(g: Graph, x: Tensor, dropout?: Dropout): Tensor {
  if (!dropout) return x;
  return g.dropout(x, { ...dropout, site: dropoutSite.embedding });
}

/**
 * Adds a branch's last projection to the residual stream, in one matrix
 * product when there is no dropout: `residual + drop(x weight + bias)`.
 */
export function addBranch(
  g: Graph,
  residual: Tensor,
  branch: {
    x: Tensor;
    weight: Tensor;
    bias?: Tensor;
    /** The weight is (out, in). */
    transB: boolean;
    site: number;
    dropout?: Dropout;
  },
): Tensor {
  const { x, weight, bias, transB, site, dropout } = branch;
  if (!dropout) {
    return g.matmul(x, weight, { transB, bias, addTo: residual });
  }
  const out = g.matmul(x, weight, { transB, bias });
  return g.dropout(out, { ...dropout, site, addTo: residual });
}
