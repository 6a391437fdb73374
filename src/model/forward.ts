/**
 * What the architectures share: how parameters are declared, and where
 * dropout acts.
 *
 * @module
 */

import type { Into } from "../graph/call_recorder.ts";
import type { Graph } from "../graph/graph.ts";
import type { Tensor } from "../graph/tensor.ts";
import {
  type Adapter,
  adapterParameters,
  adapters,
  type Lora,
  loraScale,
} from "./lora.ts";
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
  /** Adapters beside weights; absent where there are none. */
  readonly lora?: LoraForward;
}

/** The adapters of one forward pass. */
export interface LoraForward {
  /** By the name of the weight. */
  readonly adapters: ReadonlyMap<string, Adapter & { site: number }>;
  /** What each product is multiplied by. */
  readonly scale: number;
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
  /** Of the adapter that is `index`-th in a model of so many layers. */
  adapter: (index: number, { nLayer }: { nLayer: number }) =>
    1 + 3 * nLayer + index,
};

/** @param rng Absent outside of training. */
export function loraForward(
  model: ModelConfig,
  lora: Lora,
  rng: Tensor | undefined,
): LoraForward {
  const { dropout: p } = lora;
  return {
    adapters: new Map(
      adapters(model, lora).map((adapter, index) => [
        adapter.weight,
        { ...adapter, site: dropoutSite.adapter(index, model) },
      ]),
    ),
    scale: loraScale(lora),
    dropout: rng && p > 0 ? { p, rng } : undefined,
  };
}

/** Looks up a declared parameter. @throws {TypeError} If there is none. */
export type ParamLookup = (name: string) => Tensor;

/**
 * Declares all parameters, in the order of {@linkcode parameters} and then of
 * the adapters, so that every graph of a model lists them alike.
 */
export function declareParams(
  g: Graph,
  config: ModelConfig,
  lora: Lora | null = null,
): ParamLookup {
  const declared = new Map<string, Tensor>();
  const added = lora ? adapterParameters(config, lora) : [];
  for (const { name, shape } of [...parameters(config), ...added]) {
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

/** A linear layer of a model. */
export interface Linear {
  readonly x: Tensor;
  /** Name of its weight. */
  readonly weight: string;
  readonly bias?: Tensor;
  /** The weight is (out, in). */
  readonly transB: boolean;
}

/** What layers are built with. */
type LinearInputs = Pick<ForwardInputs, "param" | "lora">;

/** `addTo + x weight + bias`, and what an adapter of the weight adds. */
export function linear(
  g: Graph,
  { param, lora }: LinearInputs,
  { x, weight, bias, transB, ...into }: Linear & Into,
): Tensor {
  const adapter = lora?.adapters.get(weight);
  if (!lora || !adapter) {
    return g.matmul(x, param(weight), { transB, bias, ...into });
  }
  const { addTo, out } = into;
  const frozen = g.matmul(x, param(weight), { transB, bias, addTo });
  const { dropout, scale } = lora, { a, b, site } = adapter;
  const read = dropout ? g.dropout(x, { ...dropout, site }) : x;
  const low = g.matmul(read, param(a.name), { transB: true });
  return g.matmul(g.scale(low, scale), param(b.name), {
    transB: true,
    addTo: frozen,
    out,
  });
}

/**
 * Adds a branch's last projection to the residual stream, in one matrix
 * product when there is no dropout: `residual + drop(x weight + bias)`.
 */
export function addBranch(
  g: Graph,
  residual: Tensor,
  { inputs, site, ...layer }: Linear & {
    inputs: LinearInputs & Pick<ForwardInputs, "dropout">;
    site: number;
  },
): Tensor {
  const { dropout } = inputs;
  if (!dropout) return linear(g, inputs, { ...layer, addTo: residual });
  const out = linear(g, inputs, layer);
  return g.dropout(out, { ...dropout, site, addTo: residual });
}
