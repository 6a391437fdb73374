/**
 * The `config.json` that transformers loads, there and back.
 *
 * Ours carries the whole {@linkcode ModelConfig} under the key `hearth`, so
 * that reading it back is exact; any other is read from transformers' own
 * keys, and refused where it asks for something these models do not do.
 *
 * @module
 */

import { EXIT, UserError } from "../base/errors.ts";
import { type ModelConfig, resolveModel } from "./model_config.ts";

/**
 * The object to write as `config.json`.
 *
 * @param options.endOfText The id that ends a text, when there is one.
 */
export function hfConfig(
  config: ModelConfig,
  { endOfText = null }: { endOfText?: number | null } = {},
): Record<string, unknown> {
  const own = config.arch === "gpt2" ? gpt2Keys(config) : llamaKeys(config);
  return {
    ...own,
    vocab_size: config.vocabSize,
    tie_word_embeddings: config.tieEmbeddings,
    bos_token_id: endOfText,
    eos_token_id: endOfText,
    initializer_range: 0.02,
    dtype: "float32",
    torch_dtype: "float32", // the name of `dtype` before transformers 5
    hearth: { ...config },
  };
}

/**
 * The shape of the model that a `config.json` describes.
 *
 * @throws {UserError} If it is another kind of model, or uses what gpt2 and
 * llama of this program do not have, such as scaled rotary positions.
 */
export function configFromHf(json: unknown): ModelConfig {
  const keys = new Keys(json);
  if (keys.has("hearth")) return ownConfig(keys.section("hearth"));
  const type = keys.choice("model_type", ["gpt2", "llama"]);
  return type === "gpt2" ? fromGpt2(keys) : fromLlama(keys);
}

function gpt2Keys(config: ModelConfig): Record<string, unknown> {
  return {
    architectures: ["GPT2LMHeadModel"],
    model_type: "gpt2",
    n_positions: config.seqLen,
    n_embd: config.nEmbd,
    n_layer: config.nLayer,
    n_head: config.nHead,
    n_inner: config.ffnDim,
    activation_function: config.gelu === "tanh" ? "gelu_new" : "gelu",
    layer_norm_epsilon: config.normEps,
    embd_pdrop: config.dropout,
    attn_pdrop: config.dropout,
    resid_pdrop: config.dropout,
  };
}

function llamaKeys(config: ModelConfig): Record<string, unknown> {
  const theta = config.ropeTheta;
  return {
    architectures: ["LlamaForCausalLM"],
    model_type: "llama",
    max_position_embeddings: config.seqLen,
    hidden_size: config.nEmbd,
    intermediate_size: config.ffnDim,
    num_hidden_layers: config.nLayer,
    num_attention_heads: config.nHead,
    num_key_value_heads: config.nKvHead,
    head_dim: config.headDim,
    hidden_act: "silu",
    rms_norm_eps: config.normEps,
    rope_theta: theta, // before transformers 5
    rope_parameters: { rope_type: "default", rope_theta: theta },
    attention_bias: false,
    attention_dropout: config.dropout,
    mlp_bias: false,
  };
}

function fromGpt2(keys: Keys): ModelConfig {
  keys.require("scale_attn_weights", true);
  keys.require("scale_attn_by_inverse_layer_idx", false);
  keys.require("add_cross_attention", false);
  const activation = keys.choice(
    "activation_function",
    ["gelu_new", "gelu_pytorch_tanh", "gelu"],
    "gelu_new",
  );
  return resolved({
    arch: "gpt2",
    nLayer: keys.count("n_layer", MAX_LAYERS),
    nHead: keys.count("n_head", MAX_HEADS),
    nEmbd: keys.count("n_embd", MAX_CHANNELS),
    seqLen: keys.count("n_positions"),
    ffnDim: keys.optionalCount("n_inner"),
    bias: true,
    dropout: keys.number("resid_pdrop", 0.1),
    gelu: activation === "gelu" ? "exact" : "tanh",
    ropeTheta: 10000,
    normEps: keys.number("layer_norm_epsilon", 1e-5),
    tieEmbeddings: keys.flag("tie_word_embeddings", true),
  }, keys.count("vocab_size"));
}

function fromLlama(keys: Keys): ModelConfig {
  keys.require("hidden_act", "silu");
  keys.require("attention_bias", false);
  keys.require("mlp_bias", false);
  if (!keys.isSection("rope_scaling", { rope_type: "default" })) {
    keys.require("rope_scaling", null);
  }
  keys.require("partial_rotary_factor", 1);
  const rope = keys.section("rope_parameters", keys);
  rope.require("rope_type", "default");
  rope.require("partial_rotary_factor", 1);
  const config = resolved({
    arch: "llama",
    nLayer: keys.count("num_hidden_layers", MAX_LAYERS),
    nHead: keys.count("num_attention_heads", MAX_HEADS),
    nKvHead: keys.optionalCount("num_key_value_heads", MAX_HEADS),
    nEmbd: keys.count("hidden_size", MAX_CHANNELS),
    seqLen: keys.count("max_position_embeddings"),
    ffnDim: keys.count("intermediate_size"),
    bias: false,
    dropout: keys.number("attention_dropout", 0),
    gelu: "tanh",
    ropeTheta: rope.number("rope_theta", 10000),
    normEps: keys.number("rms_norm_eps", 1e-6),
    tieEmbeddings: keys.flag("tie_word_embeddings", false),
  }, keys.count("vocab_size"));
  return withHeadDim(config, keys.optionalCount("head_dim"));
}

/** Flags cannot help where a file is wrong. */
function resolved(...shape: Parameters<typeof resolveModel>): ModelConfig {
  try {
    return resolveModel(...shape);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw refusal(error.message[0].toLowerCase() + error.message.slice(1));
  }
}

/** Reads a {@linkcode ModelConfig} back, key by key. */
function ownConfig(keys: Keys): ModelConfig {
  const config = resolved({
    arch: keys.choice("arch", ["gpt2", "llama"]),
    nLayer: keys.count("nLayer", MAX_LAYERS),
    nHead: keys.count("nHead", MAX_HEADS),
    nKvHead: keys.count("nKvHead", MAX_HEADS),
    nEmbd: keys.count("nEmbd", MAX_CHANNELS),
    seqLen: keys.count("seqLen"),
    ffnDim: keys.count("ffnDim"),
    bias: keys.flag("bias"),
    dropout: keys.number("dropout"),
    gelu: keys.choice("gelu", ["tanh", "exact"]),
    ropeTheta: keys.number("ropeTheta"),
    normEps: keys.number("normEps"),
    tieEmbeddings: keys.flag("tieEmbeddings"),
  }, keys.count("vocabSize"));
  return withHeadDim(config, keys.count("headDim"));
}

/** Llama's heads may be wider or narrower than nEmbd / nHead. */
function withHeadDim(
  config: ModelConfig,
  headDim = config.headDim,
): ModelConfig {
  if (config.arch === "gpt2" && headDim !== config.headDim) {
    throw refusal(`headDim is ${headDim}, expected ${config.headDim}`);
  }
  if (config.arch === "llama" && headDim % 2 !== 0) {
    throw refusal(`head_dim is ${headDim}, expected an even number`);
  }
  return { ...config, headDim };
}

/** The limits of the settings: a list of a billion layers has no place. */
const MAX_LAYERS = 1000, MAX_HEADS = 1024, MAX_CHANNELS = 65536;
const MAX_SIZE = 2 ** 20;

/** The keys of a JSON object, each read as what it has to be. */
class Keys {
  readonly #values: Record<string, unknown>;

  constructor(json: unknown) {
    if (typeof json !== "object" || json === null || Array.isArray(json)) {
      throw refusal(`it is ${JSON.stringify(json)}, expected an object`);
    }
    this.#values = json as Record<string, unknown>;
  }

  has(key: string): boolean {
    return this.#value(key) !== null;
  }

  /** An object within; `absent` when there is none. */
  section(key: string, absent?: Keys): Keys {
    return absent && !this.has(key) ? absent : new Keys(this.#value(key));
  }

  /** Whether there is an object within that has these values, and no more. */
  isSection(key: string, values: Record<string, string>): boolean {
    return JSON.stringify(this.#value(key)) === JSON.stringify(values);
  }

  count(key: string, max = MAX_SIZE): number {
    const value = this.#value(key) as number;
    if (Number.isSafeInteger(value) && value > 0 && value <= max) return value;
    throw this.#wrong(
      key,
      typeof value === "number" && value > max
        ? `at most ${max}`
        : "a whole number above 0",
    );
  }

  optionalCount(key: string, max = MAX_SIZE): number | undefined {
    return this.has(key) ? this.count(key, max) : undefined;
  }

  number(key: string, absent?: number): number {
    const value = this.#value(key) ?? absent;
    if (typeof value === "number" && value >= 0) return value;
    throw this.#wrong(key, "a number of 0 or more");
  }

  flag(key: string, absent?: boolean): boolean {
    const value = this.#value(key) ?? absent;
    if (typeof value === "boolean") return value;
    throw this.#wrong(key, "true or false");
  }

  choice<const C extends string>(
    key: string,
    choices: readonly C[],
    absent?: C,
  ): C {
    const value = this.#value(key) ?? absent;
    const choice = choices.find((choice) => choice === value);
    if (choice !== undefined) return choice;
    throw this.#wrong(key, choices.join(" or "));
  }

  /** Refuses any value but this one; an absent key is taken to have it. */
  require(key: string, wanted: string | number | boolean | null): void {
    const value = this.#value(key);
    if (value !== null && value !== wanted) {
      throw this.#wrong(key, JSON.stringify(wanted));
    }
  }

  /** JSON has both absent keys and null, and means the same by them. */
  #value(key: string): unknown {
    return Object.hasOwn(this.#values, key) ? this.#values[key] ?? null : null;
  }

  #wrong(key: string, wanted: string): UserError {
    const value = this.has(key) ? JSON.stringify(this.#value(key)) : "missing";
    return refusal(`${key} is ${value}, expected ${wanted}`);
  }
}

function refusal(what: string): UserError {
  return new UserError(`Cannot use this config.json: ${what}`, {
    hint: "use a GPT-2 or Llama model with the standard settings",
    exitCode: EXIT.usage,
  });
}
