/**
 * LoRA: low-rank updates beside frozen weights.
 *
 * A linear layer `y = x W + b` becomes `y = x W + b + (alpha / rank) x A B`,
 * of which only A and B are trained. A begins as small random numbers and B at
 * 0, so that the first step sees the model that was given.
 * Source: Hu et al. 2021, https://arxiv.org/abs/2106.09685; twin: Hugging
 * Face's PEFT, whose shapes these are. Merging: lora_merge.ts.
 *
 * @module
 */

import { EXIT, UserError } from "../base/errors.ts";
import type { Arch, ModelConfig } from "./model_config.ts";
import { parameters, type ParameterSpec } from "./parameters.ts";

/** What a person chooses; structurally the `lora` section of the config. */
export interface LoraSection {
  /** Left out: no adapters, all weights are trained. */
  rank?: number;
  /** Default: twice the rank. */
  alpha?: number;
  /** Default: 0. */
  dropout?: number;
  /** Names, or a list of them with commas; default: `all`. */
  targets?: string | readonly string[];
}

/** Adapters that can be built. */
export interface Lora {
  /** Columns of A and rows of B. */
  readonly rank: number;
  /** What adapters add is multiplied by alpha / rank. */
  readonly alpha: number;
  /** Of what A reads. */
  readonly dropout: number;
  /** Layers by their names in {@linkcode LORA_TARGETS}. */
  readonly targets: readonly string[];
}

/** One weight and the two factors of what is added to it. */
export interface Adapter {
  /** Name of the weight, such as `h.0.attn.qkv.weight`. */
  readonly weight: string;
  /** Whether the weight is (in, out), as gpt2's are, and not (out, in). */
  readonly isTransposed: boolean;
  /** A, (rank, in). */
  readonly a: ParameterSpec;
  /** B, (out, rank). */
  readonly b: ParameterSpec;
}

/** Linear layers by the name of the target, in each block. */
const LORA_TARGETS: Readonly<
  Record<Arch, Readonly<Record<string, string>>>
> = {
  gpt2: {
    qkv: "attn.qkv",
    attProj: "attn.proj",
    fc: "mlp.fc",
    fcProj: "mlp.proj",
  },
  llama: {
    qkv: "attn.qkv",
    attProj: "attn.proj",
    gateUp: "mlp.gateUp",
    down: "mlp.down",
  },
};

/** The output head, where it has a weight of its own. */
const HEAD = "lmHead";

/** What other programs call the layers; `all` is PEFT's all-linear. */
const ALIASES: Readonly<Record<Arch, Readonly<Record<string, string[]>>>> = {
  gpt2: {
    c_attn: ["qkv"],
    c_proj: ["attProj", "fcProj"],
    c_fc: ["fc"],
    lm_head: [HEAD],
  },
  llama: { o_proj: ["attProj"], down_proj: ["down"], lm_head: [HEAD] },
};

/** Parts of one of our weights, which cannot have adapters of their own. */
const PARTS: Readonly<Record<string, string>> = {
  q_proj: "qkv",
  k_proj: "qkv",
  v_proj: "qkv",
  gate_proj: "gateUp",
  up_proj: "gateUp",
};

/**
 * Fills in defaults and checks that the adapters fit the model.
 *
 * @returns Null where the section asks for none.
 * @throws {UserError} For a target that the model does not have, and a rank
 * above the size of a weight.
 */
export function resolveLora(
  { rank, alpha, dropout = 0, targets = "all" }: LoraSection,
  model: ModelConfig,
): Lora | null {
  if (rank === undefined) return null;
  const lora: Lora = {
    rank,
    alpha: alpha ?? 2 * rank,
    dropout,
    targets: resolveTargets(targets, model),
  };
  for (const { weight, a, b } of adapters(model, lora)) {
    const [most, side] = [a.shape[1], b.shape[0]].sort((x, y) => x - y);
    if (rank <= most) continue;
    refuse(
      `Cannot use lora.rank ${rank}: "${weight}" is ${most} x ${side}, which ` +
        `is of rank ${most} at most`,
      `use --lora-rank ${Math.max(1, Math.floor(most / 4))}, or leave it out ` +
        "to train all weights",
    );
  }
  return lora;
}

/** Canonical names, in the order of the model. */
function resolveTargets(
  given: NonNullable<LoraSection["targets"]>,
  { arch, tieEmbeddings }: ModelConfig,
): string[] {
  const inBlocks = Object.keys(LORA_TARGETS[arch]);
  const known = tieEmbeddings ? inBlocks : [...inBlocks, HEAD];
  const names = [given].flat().flatMap((name) => name.split(","))
    .map((name) => name.trim()).filter((name) => name !== "");
  const chosen = new Set(names.flatMap((name) => {
    if (name === "all" || name === "all-linear") return inBlocks;
    return Object.hasOwn(ALIASES[arch], name) ? ALIASES[arch][name] : [name];
  }));
  const unknown = [...chosen].find((name) => !known.includes(name));
  if (unknown !== undefined || chosen.size === 0) {
    const shown = unknown === undefined ? "nothing" : `"${unknown}"`;
    const why = unknown === HEAD
      ? "its output head shares the weight of the token embedding"
      : `expected some of ${known.join(", ")}, or all`;
    const whole = unknown !== undefined && Object.hasOwn(PARTS, unknown)
      ? PARTS[unknown]
      : undefined;
    refuse(
      `Cannot use lora.targets ${shown} with a ${arch} model: ${why}`,
      whole !== undefined && known.includes(whole)
        ? `${unknown} is part of one matrix here: use ${whole}`
        : `for example --lora-targets ${inBlocks.slice(0, 2).join(",")}`,
    );
  }
  return known.filter((name) => chosen.has(name));
}

/** All adapters, in the order of the weights they belong to. */
export function adapters(model: ModelConfig, lora: Lora): Adapter[] {
  const suffixes = lora.targets.map((target) =>
    `.${LORA_TARGETS[model.arch][target] ?? target}.weight`
  );
  const hasHead = lora.targets.includes(HEAD);
  return parameters(model)
    .filter(({ name }) =>
      name === HEAD ? hasHead : suffixes.some((suffix) => name.endsWith(suffix))
    )
    .map(({ name, shape }) => adapterOf(name, shape, { model, lora }));
}

function adapterOf(
  weight: string,
  shape: readonly number[],
  { model, lora: { rank } }: { model: ModelConfig; lora: Lora },
): Adapter {
  const isTransposed = model.arch === "gpt2" && weight !== HEAD;
  const [outs, ins] = isTransposed ? [shape[1], shape[0]] : shape;
  const layer = weight.replace(/\.weight$/, "");
  return {
    weight,
    isTransposed,
    a: {
      name: `${layer}.loraA`,
      shape: [rank, ins],
      decay: true,
      // As wide as PyTorch's default for linear layers, which PEFT takes:
      // uniform within 1 / sqrt(in). Normal, as in the paper.
      init: { kind: "normal", std: 1 / Math.sqrt(3 * ins) },
    },
    b: {
      name: `${layer}.loraB`,
      shape: [outs, rank],
      decay: true,
      init: { kind: "constant", value: 0 },
    },
  };
}

/** A and B of every adapter, in the order of the model. */
export function adapterParameters(
  model: ModelConfig,
  lora: Lora,
): ParameterSpec[] {
  return adapters(model, lora).flatMap(({ a, b }) => [a, b]);
}

/** What is trained: the adapters where there are some, else all weights. */
export function trainableParameters(
  model: ModelConfig,
  lora: Lora | null = null,
): ParameterSpec[] {
  return lora ? adapterParameters(model, lora) : parameters(model);
}

/** What the product of the two factors is multiplied by. */
export function loraScale({ alpha, rank }: Lora): number {
  return alpha / rank;
}

/** Whether training draws random numbers for dropout. */
export function usesDropout(
  model: ModelConfig,
  lora: Lora | null = null,
): boolean {
  return model.dropout > 0 || (lora?.dropout ?? 0) > 0;
}

function refuse(message: string, hint: string): never {
  throw new UserError(message, { hint, exitCode: EXIT.usage });
}
