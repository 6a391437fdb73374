/**
 * Names, shapes and start values of every parameter, in a fixed order.
 *
 * Layouts make each projection one matrix product and each Hugging Face
 * tensor a run of rows: gpt2 matrices are (in, out) as in OpenAI's GPT-2,
 * llama matrices are (out, in) with query, key and value (and gate and up)
 * stacked by rows.
 *
 * @module
 */

import type { ModelConfig } from "./model_config.ts";

/** One trainable tensor. */
export interface ParameterSpec {
  /** As in `graph.param(name, shape)`: `h.0.attn.qkv.weight`. */
  readonly name: string;
  readonly shape: readonly number[];
  /** AdamW decays it: matrices and embeddings, not norms and biases. */
  readonly decay: boolean;
  readonly init: Init;
}

/**
 * Values of parameters by name, f32: of all of them in a map, or of one after
 * another.
 */
export type ParamValues =
  | Iterable<[name: string, values: Float32Array]>
  | AsyncIterable<[name: string, values: Float32Array]>;

/** Start values: N(0, std), or one number everywhere. */
export type Init =
  | { readonly kind: "normal"; readonly std: number }
  | { readonly kind: "constant"; readonly value: number };

/** Standard deviation of GPT-2's initialization. */
const INIT_STD = 0.02;

/** All parameters; the position in the list seeds the initialization. */
export function parameters(config: ModelConfig): ParameterSpec[] {
  return config.arch === "gpt2"
    ? gpt2Parameters(config)
    : llamaParameters(config);
}

function gpt2Parameters(config: ModelConfig): ParameterSpec[] {
  const { nEmbd: C, ffnDim: F, vocabSize: V, nLayer, bias } = config;
  const linear = (name: string, rows: number, cols: number, std?: number) => [
    matrix(`${name}.weight`, [rows, cols], std),
    ...(bias ? [constant(`${name}.bias`, cols, 0)] : []),
  ];
  const layerNorm = (name: string) => [
    constant(`${name}.weight`, C, 1),
    ...(bias ? [constant(`${name}.bias`, C, 0)] : []),
  ];
  const list = [matrix("wte", [V, C]), matrix("wpe", [config.seqLen, C])];
  for (let layer = 0; layer < nLayer; layer++) {
    const h = `h.${layer}`;
    list.push(
      ...layerNorm(`${h}.ln1`),
      ...linear(`${h}.attn.qkv`, C, 3 * C),
      ...linear(`${h}.attn.proj`, C, C, residualStd(config)),
      ...layerNorm(`${h}.ln2`),
      ...linear(`${h}.mlp.fc`, C, F),
      ...linear(`${h}.mlp.proj`, F, C, residualStd(config)),
    );
  }
  list.push(...layerNorm("lnF"));
  if (!config.tieEmbeddings) list.push(matrix("lmHead", [V, C]));
  return list;
}

function llamaParameters(config: ModelConfig): ParameterSpec[] {
  const { nEmbd: C, ffnDim: F, vocabSize: V, headDim: D } = config;
  const list = [matrix("wte", [V, C])];
  for (let layer = 0; layer < config.nLayer; layer++) {
    const h = `h.${layer}`;
    const qkvRows = (config.nHead + 2 * config.nKvHead) * D;
    list.push(
      constant(`${h}.norm1.weight`, C, 1),
      matrix(`${h}.attn.qkv.weight`, [qkvRows, C]),
      matrix(
        `${h}.attn.proj.weight`,
        [C, config.nHead * D],
        residualStd(config),
      ),
      constant(`${h}.norm2.weight`, C, 1),
      matrix(`${h}.mlp.gateUp.weight`, [2 * F, C]),
      matrix(`${h}.mlp.down.weight`, [C, F], residualStd(config)),
    );
  }
  list.push(constant("normF.weight", C, 1));
  if (!config.tieEmbeddings) list.push(matrix("lmHead", [V, C]));
  return list;
}

/** Each of the 2L branches adds variance to the residual stream. */
function residualStd(config: ModelConfig): number {
  return INIT_STD / Math.sqrt(2 * config.nLayer);
}

function matrix(
  name: string,
  shape: readonly number[],
  std = INIT_STD,
): ParameterSpec {
  return { name, shape, decay: true, init: { kind: "normal", std } };
}

function constant(name: string, size: number, value: number): ParameterSpec {
  return {
    name,
    shape: [size],
    decay: false,
    init: { kind: "constant", value },
  };
}
