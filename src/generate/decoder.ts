/**
 * A model with its key-value cache: takes tokens, gives the logits of the next.
 *
 * Prompts go through in pieces of {@linkcode PIECES} tokens, generated tokens
 * one by one. When the context is full, the decoder forgets the older half of
 * it and reads the newer half again from position 0, so that generation can
 * go on for ever at the price of one such pause every seqLen/2 tokens.
 *
 * @module
 */

import type { Backend, Executable } from "../backend/backend.ts";
import { plan } from "../graph/plan.ts";
import { buildDecode, decodeInputs } from "../model/model.ts";
import type { ModelConfig } from "../model/model_config.ts";
import { parameters, type ParamValues } from "../model/parameters.ts";

/**
 * Prompt tokens per run: long ones make the most of reading the weights, and
 * only the last piece is padded, to the shortest length that there is.
 */
const PIECES = [128, 32];

/** What a decoder is opened with. */
export interface DecoderOptions {
  config: ModelConfig;
  /** Values of every parameter, as `initParams` or a checkpoint give them. */
  weights: ParamValues;
}

/** One sequence of tokens in a model; see the module. */
export interface Decoder {
  readonly config: ModelConfig;
  /**
   * Appends tokens to the sequence.
   *
   * Too many for the rest of the context: see {@linkcode contextAfter}.
   *
   * @param ids At least one.
   * @returns Logits of the token after the last, f32 (V).
   * @throws {RangeError} If an id is not in the vocabulary.
   */
  feed(ids: ArrayLike<number>): Promise<Float32Array>;
  /** Begins an empty sequence. */
  reset(): void;
  /** Frees the memory. */
  dispose(): Promise<void>;
}

/**
 * The ids that the model sees after `added` follow `seen`: all of them while
 * they fit, else the last half of the context, or as many as were added when
 * that is more, but never more than the whole context.
 */
export function contextAfter(
  seen: readonly number[],
  added: readonly number[],
  { seqLen }: { seqLen: number },
): number[] {
  const all = [...seen, ...added];
  if (all.length <= seqLen) return all;
  const half = Math.max(1, Math.floor(seqLen / 2));
  return all.slice(-Math.min(seqLen, Math.max(half, added.length)));
}

/**
 * Compiles a model for generation and loads its weights.
 *
 * @throws {UserError} If it does not fit the device's memory.
 */
export async function openDecoder(
  backend: Backend,
  { config, weights }: DecoderOptions,
): Promise<Decoder> {
  const fitting = PIECES.filter((T) => T <= config.seqLen);
  const pieces = fitting.length > 0 ? fitting : [config.seqLen];
  // The last piece of a prompt is padded, and must fit wherever it begins.
  const S = config.seqLen + pieces.at(-1)! - 1;
  const phases = [...pieces, 1].map((T) => [
    phaseOf(T),
    buildDecode(config, { T, S }),
  ]);
  const executable = await backend.compile(plan(Object.fromEntries(phases)));
  const missing = new Set(parameters(config).map(({ name }) => name));
  for await (const [name, values] of weights) {
    executable.write(name, values);
    missing.delete(name);
  }
  for (const name of missing) {
    throw new TypeError(`No values for parameter "${name}"`);
  }
  return new CachedDecoder(config, executable, pieces);
}

/** Name of the phase that reads T tokens. */
function phaseOf(T: number): string {
  return T === 1 ? "decode" : `prefill${T}`;
}

class CachedDecoder implements Decoder {
  readonly config: ModelConfig;
  readonly #executable: Executable;
  /** Lengths of pieces, longest first. */
  readonly #pieces: readonly number[];
  /** What is in the cache, one row each. */
  #seen: number[] = [];

  constructor(
    config: ModelConfig,
    executable: Executable,
    pieces: readonly number[],
  ) {
    this.config = config;
    this.#executable = executable;
    this.#pieces = pieces;
  }

  async feed(ids: ArrayLike<number>): Promise<Float32Array> {
    const added = Array.from(ids);
    this.#check(added);
    const { length: before } = this.#seen;
    const context = contextAfter(this.#seen, added, this.config);
    const fits = context.length === before + added.length;
    let at = fits ? before : 0;
    this.#seen = context;
    while (at < context.length) {
      const left = context.length - at;
      const T = left === 1
        ? 1
        : this.#pieces.find((T) => T <= left) ?? this.#pieces.at(-1)!;
      const piece = context.slice(at, at + T);
      await this.#run(piece, { at, T });
      at += piece.length;
    }
    return await this.#executable.read("logits") as Float32Array;
  }

  reset(): void {
    this.#seen = []; // rows of the cache beyond the position are not read
  }

  async dispose(): Promise<void> {
    await this.#executable.dispose();
  }

  /** Runs up to T tokens at cache row `at`; pads with id 0 at position 0. */
  async #run(
    piece: readonly number[],
    { at, T }: { at: number; T: number },
  ): Promise<void> {
    const ids = new Uint32Array(T);
    const positions = new Uint32Array(T);
    ids.set(piece);
    positions.set(piece.map((_, i) => at + i));
    const names = decodeInputs(T);
    this.#executable.write(names.ids, ids);
    this.#executable.write(names.positions, positions);
    this.#executable.write("position", Uint32Array.of(at));
    this.#executable.write("lastRow", Uint32Array.of(piece.length - 1));
    await this.#executable.run(phaseOf(T));
  }

  #check(ids: readonly number[]): void {
    if (ids.length === 0) throw new RangeError("Cannot feed 0 tokens");
    const { vocabSize } = this.config;
    const wrong = ids.find((id) => !(id >= 0 && id < vocabSize));
    if (wrong !== undefined) {
      throw new RangeError(
        `Cannot feed id ${wrong}: the vocabulary has ${vocabSize}`,
      );
    }
  }
}
