/**
 * Parameters under Hugging Face's names and shapes, there and back.
 *
 * The names are those of transformers' GPT2LMHeadModel and LlamaForCausalLM.
 * Our layouts make every tensor of theirs a run of rows of one of ours, so
 * nothing is transposed and export copies nothing. GPT-2 always has biases
 * there: a model without is written with zeros, which compute the same.
 *
 * @module
 */

import { UserError } from "../base/errors.ts";
import { release } from "../base/release.ts";
import { type TensorSource, valuesOf } from "../base/safetensors.ts";
import { sizeOf } from "../graph/tensor.ts";
import type { ModelConfig } from "./model_config.ts";
import { parameters } from "./parameters.ts";

/** Where a tensor of Hugging Face's lies among ours. */
export interface HuggingFaceTensor {
  readonly name: string;
  readonly shape: readonly number[];
  /** Our parameter that holds it; null is zeros (a bias we do not have). */
  readonly param: string | null;
  /** Its first element in that parameter. */
  readonly offset: number;
}

/** Every tensor that a checkpoint of this model has, in Hugging Face's order. */
export function huggingFaceTensors(config: ModelConfig): HuggingFaceTensor[] {
  return config.arch === "gpt2" ? gpt2Tensors(config) : llamaTensors(config);
}

/**
 * Our parameters from the tensors of a checkpoint, in any order. Names may
 * lack the prefix of the language-model class, as OpenAI's own files do;
 * buffers that old versions of transformers saved are passed over.
 *
 * They come one after another, as they need not all be in memory.
 *
 * @returns Name and values, which last until the next ones are asked for.
 * @throws {UserError} If tensors are missing, unknown or of another shape.
 */
export async function* eachFromHuggingFace(
  config: ModelConfig,
  tensors: readonly TensorSource[],
): AsyncGenerator<[name: string, values: Float32Array]> {
  for (const { param, shape, parts } of matched(config, tensors)) {
    const values = new Float32Array(sizeOf(shape));
    for (const { tensor, offset } of parts) {
      const data = await valuesOf(tensor);
      values.set(data, offset);
      if (!("data" in tensor)) release(data);
    }
    if (param === null) expectZeros(parts[0].tensor.name, values);
    else yield [param, values];
    release(values);
  }
}

/**
 * The tensors of a checkpoint under their full names and in Hugging Face's
 * order, and no others.
 *
 * @throws {UserError} If tensors are missing, unknown or of another shape.
 */
export function canonicalTensors<T extends TensorSource>(
  config: ModelConfig,
  tensors: readonly T[],
): T[] {
  matched(config, tensors);
  const given = new Map(tensors.map((t) => [fullName(config, t.name), t]));
  return huggingFaceTensors(config)
    .map(({ name }) => ({ ...given.get(name)!, name }));
}

/** Where the values of a parameter come from. */
interface Matched<T> {
  /** Null: they must be 0. */
  readonly param: string | null;
  readonly shape: readonly number[];
  readonly parts: { readonly tensor: T; readonly offset: number }[];
}

/** @throws {UserError} If tensors are missing, unknown or of another shape. */
function matched<T extends TensorSource>(
  config: ModelConfig,
  tensors: readonly T[],
): Matched<T>[] {
  const given = new Map(
    tensors.filter(({ name }) => !isBuffer(config, name))
      .map((tensor) => [fullName(config, tensor.name), tensor]),
  );
  const ours = new Map<string, Matched<T>>(
    parameters(config).map((
      { name, shape },
    ) => [name, { param: name, shape, parts: [] }]),
  );
  const zeros: Matched<T>[] = [];
  for (const { name, shape, param, offset } of huggingFaceTensors(config)) {
    const tensor = given.get(name);
    if (!tensor) refuse(`tensor "${name}" is missing`);
    if (tensor.shape.join() !== shape.join()) {
      refuse(
        `tensor "${name}" has shape (${tensor.shape.join(", ")}), ` +
          `expected (${shape.join(", ")})`,
      );
    }
    given.delete(name);
    const part = { tensor, offset };
    if (param === null) zeros.push({ param, shape, parts: [part] });
    else ours.get(param)!.parts.push(part);
  }
  const [extra] = given.keys();
  if (extra !== undefined) {
    refuse(`tensor "${extra}" has no place in a ${config.arch} model`);
  }
  return [...zeros, ...ours.values()];
}

/** Of a bias that the model does not have. */
function expectZeros(name: string, values: Float32Array): void {
  if (values.every((value) => value === 0)) return;
  refuse(`tensor "${name}" is not 0, and the model has no biases`);
}

function gpt2Tensors(config: ModelConfig): HuggingFaceTensor[] {
  const { nEmbd: C, ffnDim: F, vocabSize: V } = config;
  const whole = (name: string, shape: number[], param: string) => ({
    name: `${GPT2_PREFIX}${name}`,
    shape,
    param,
    offset: 0,
  });
  const pair = (name: string, weight: number[], param: string) => [
    whole(`${name}.weight`, weight, `${param}.weight`),
    {
      name: `${GPT2_PREFIX}${name}.bias`,
      shape: weight.slice(-1),
      param: config.bias ? `${param}.bias` : null,
      offset: 0,
    },
  ];
  const list: HuggingFaceTensor[] = [
    whole("wte.weight", [V, C], "wte"),
    whole("wpe.weight", [config.seqLen, C], "wpe"),
  ];
  for (let layer = 0; layer < config.nLayer; layer++) {
    const h = `h.${layer}`;
    list.push(
      ...pair(`${h}.ln_1`, [C], `${h}.ln1`),
      ...pair(`${h}.attn.c_attn`, [C, 3 * C], `${h}.attn.qkv`),
      ...pair(`${h}.attn.c_proj`, [C, C], `${h}.attn.proj`),
      ...pair(`${h}.ln_2`, [C], `${h}.ln2`),
      ...pair(`${h}.mlp.c_fc`, [C, F], `${h}.mlp.fc`),
      ...pair(`${h}.mlp.c_proj`, [F, C], `${h}.mlp.proj`),
    );
  }
  list.push(...pair("ln_f", [C], "lnF"));
  return config.tieEmbeddings ? list : [...list, lmHead(config)];
}

function llamaTensors(config: ModelConfig): HuggingFaceTensor[] {
  const { nEmbd: C, ffnDim: F, vocabSize: V, headDim: D } = config;
  const qRows = config.nHead * D, kvRows = config.nKvHead * D;
  const tensor = (
    name: string,
    shape: number[],
    param: string,
    firstRow = 0,
  ) => ({
    name: `${LLAMA_PREFIX}${name}.weight`,
    shape,
    param,
    offset: firstRow * C,
  });
  const list: HuggingFaceTensor[] = [tensor("embed_tokens", [V, C], "wte")];
  for (let layer = 0; layer < config.nLayer; layer++) {
    const theirs = `layers.${layer}`, ours = `h.${layer}`;
    const attn = `${theirs}.self_attn`, mlp = `${theirs}.mlp`;
    const qkv = `${ours}.attn.qkv.weight`;
    const gateUp = `${ours}.mlp.gateUp.weight`;
    list.push(
      tensor(`${attn}.q_proj`, [qRows, C], qkv),
      tensor(`${attn}.k_proj`, [kvRows, C], qkv, qRows),
      tensor(`${attn}.v_proj`, [kvRows, C], qkv, qRows + kvRows),
      tensor(`${attn}.o_proj`, [C, qRows], `${ours}.attn.proj.weight`),
      tensor(`${mlp}.gate_proj`, [F, C], gateUp),
      tensor(`${mlp}.up_proj`, [F, C], gateUp, F),
      tensor(`${mlp}.down_proj`, [C, F], `${ours}.mlp.down.weight`),
      tensor(`${theirs}.input_layernorm`, [C], `${ours}.norm1.weight`),
      tensor(`${theirs}.post_attention_layernorm`, [C], `${ours}.norm2.weight`),
    );
  }
  list.push(tensor("norm", [C], "normF.weight"));
  return config.tieEmbeddings ? list : [...list, lmHead(config)];
}

function lmHead({ vocabSize, nEmbd }: ModelConfig): HuggingFaceTensor {
  const shape = [vocabSize, nEmbd];
  return { name: LM_HEAD, shape, param: "lmHead", offset: 0 };
}

const LM_HEAD = "lm_head.weight";
const GPT2_PREFIX = "transformer.";
const LLAMA_PREFIX = "model.";

/** Attention masks and rotary tables are computed, and a tied head repeats. */
function isBuffer(config: ModelConfig, name: string): boolean {
  return /\.attn\.(masked_)?bias$|\.rotary_emb\.inv_freq$/.test(name) ||
    (config.tieEmbeddings && name === LM_HEAD);
}

function fullName(config: ModelConfig, name: string): string {
  const prefix = config.arch === "gpt2" ? GPT2_PREFIX : LLAMA_PREFIX;
  return name === LM_HEAD || name.startsWith(prefix) ? name : prefix + name;
}

function refuse(what: string): never {
  throw new UserError(`Cannot load the model: ${what}`, {
    hint: "use weights and config.json of one and the same model",
  });
}
