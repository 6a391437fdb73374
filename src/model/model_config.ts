/**
 * The shape of a network with every default filled in.
 *
 * A person writes the `model` section of a config; `resolveModel` turns it
 * into a {@linkcode ModelConfig}, the only form the rest of this layer reads,
 * and refuses shapes that cannot be built.
 *
 * @module
 */

import { EXIT, UserError } from "../base/errors.ts";

/** Radford et al. 2019, or Touvron et al. 2023. */
export type Arch = "gpt2" | "llama";

/** A network that can be built; settings the other arch has stay put. */
export interface ModelConfig {
  /** Which of the architectures; model/gpt2.ts and model/llama.ts say more. */
  readonly arch: Arch;
  /** Transformer blocks, L. */
  readonly nLayer: number;
  /** Heads that ask, H. */
  readonly nHead: number;
  /** Heads of keys and values, a divisor of nHead; equal to it for gpt2. */
  readonly nKvHead: number;
  /** Channels of the residual stream, C. */
  readonly nEmbd: number;
  /** Channels of one head, D; nEmbd / nHead unless imported otherwise. */
  readonly headDim: number;
  /** Inner channels of the feed-forward layer. */
  readonly ffnDim: number;
  /** The context: most tokens that attention sees at once. */
  readonly seqLen: number;
  /** Rows of the token embedding, V. */
  readonly vocabSize: number;
  /** Biases in linear layers and LayerNorm; always false for llama. */
  readonly bias: boolean;
  /** Probability of dropping an element while training, 0 to below 1. */
  readonly dropout: number;
  /** GELU by its tanh approximation, or by erf; gpt2 only. */
  readonly gelu: "tanh" | "exact";
  /** Base of the rotary frequencies, Su et al. 2021; llama only. */
  readonly ropeTheta: number;
  /** Added to the variance under the root of LayerNorm and RMSNorm. */
  readonly normEps: number;
  /** Whether the output head is the token embedding. */
  readonly tieEmbeddings: boolean;
}

/**
 * What a person chooses; structurally the `model` section of the config.
 * `nKvHead` is nHead where it is absent, `ffnDim` 4 * nEmbd (gpt2) or
 * 8/3 * nEmbd rounded up to 32 (llama).
 */
export type ModelSection =
  & Omit<ModelConfig, "nKvHead" | "headDim" | "ffnDim" | "vocabSize">
  & Partial<Pick<ModelConfig, "nKvHead" | "ffnDim">>;

/** Llama's inner size is rounded up to this, as its own code rounds to 256. */
const FFN_MULTIPLE = 32;

/**
 * Fills in defaults and checks that the parts fit together.
 *
 * @param vocabSize Ids of the tokenizer.
 * @throws {UserError} If heads do not divide channels, and the like.
 */
export function resolveModel(
  section: ModelSection,
  vocabSize: number,
): ModelConfig {
  const { arch, nHead, nEmbd } = section;
  const nKvHead = section.nKvHead ?? nHead;
  if (nEmbd % nHead !== 0) {
    const near = Math.ceil(nEmbd / nHead) * nHead;
    refuse(
      `Cannot split nEmbd ${nEmbd} into ${nHead} heads: nEmbd must be a ` +
        `multiple of nHead`,
      `use --n-embd ${near} --n-head ${nHead}`,
    );
  }
  const headDim = nEmbd / nHead;
  if (arch === "gpt2" && nKvHead !== nHead) {
    refuse(
      `Cannot use nKvHead ${nKvHead} with arch gpt2: it must equal nHead ` +
        `${nHead}`,
      "use --arch llama, or leave --n-kv-head out",
    );
  }
  if (nHead % nKvHead !== 0) {
    refuse(
      `Cannot share ${nKvHead} key/value heads among ${nHead} heads: nHead ` +
        `must be a multiple of nKvHead`,
      `use --n-kv-head ${largestDivisorUpTo(nHead, nKvHead)}`,
    );
  }
  if (arch === "llama" && headDim % 2 !== 0) {
    refuse(
      `Cannot rotate heads of ${headDim} channels: nEmbd / nHead must be even`,
      `use --n-embd ${nHead * (headDim + 1)} --n-head ${nHead}`,
    );
  }
  return {
    arch,
    nLayer: section.nLayer,
    nHead,
    nKvHead,
    nEmbd,
    headDim,
    ffnDim: section.ffnDim ?? defaultFfnDim(arch, nEmbd),
    seqLen: section.seqLen,
    vocabSize,
    bias: arch === "gpt2" && section.bias,
    dropout: section.dropout,
    gelu: section.gelu,
    ropeTheta: section.ropeTheta,
    normEps: section.normEps,
    tieEmbeddings: section.tieEmbeddings,
  };
}

function defaultFfnDim(arch: Arch, nEmbd: number): number {
  if (arch === "gpt2") return 4 * nEmbd;
  return Math.ceil(8 * nEmbd / 3 / FFN_MULTIPLE) * FFN_MULTIPLE;
}

function largestDivisorUpTo(n: number, limit: number): number {
  let divisor = Math.min(n, limit);
  while (n % divisor !== 0) divisor--;
  return divisor;
}

function refuse(message: string, hint: string): never {
  throw new UserError(message, { hint, exitCode: EXIT.usage });
}
