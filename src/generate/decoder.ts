/**
 * A model with its key-value cache: takes tokens, and draws the next.
 *
 * A token is drawn on the device, which goes on with it at once; the host looks
 * at several together. Prompts go through in pieces of {@linkcode PIECES}
 * tokens, generated tokens one by one. When the context is full, the decoder
 * forgets the older half of it and reads the newer half again from position 0,
 * so that generation can go on for ever at the price of one such pause every
 * seqLen/2 tokens.
 *
 * @module
 */

import type { Backend, Executable } from "../backend/backend.ts";
import { UserError } from "../base/errors.ts";
import { NO_TOKEN } from "../graph/ops.ts";
import { plan } from "../graph/plan.ts";
import {
  buildDecode,
  buildSample,
  decodeInputs,
  DRAWN_ROWS,
} from "../model/model.ts";
import type { ModelConfig } from "../model/model_config.ts";
import { parameters, type ParamValues } from "../model/parameters.ts";
import {
  samplingChoice,
  type SamplingOptions,
  samplingSettings,
  usedIds,
} from "./sampling.ts";

/**
 * Prompt tokens per run: long ones make the most of reading the weights, and
 * of a device with many cores. The last piece is padded, to a multiple of the
 * shortest length that there is.
 */
const PIECES = [512, 128, 32];
/** Pieces that are longer are for prompts that are known to be. */
const USUAL_PIECE = 128;

/** What a decoder is opened with. */
export interface DecoderOptions {
  config: ModelConfig;
  /** Values of every parameter, as `eachParam` or a checkpoint give them. */
  weights: ParamValues;
  /**
   * Tokens of the longest prompt to expect. Prompts of any length can be fed;
   * but a GPU compiles some shaders more to read long ones in long pieces.
   */
  longestPrompt?: number;
}

/** How a sequence goes on. */
export interface DrawOptions extends SamplingOptions {
  seed: number;
  /** Ids of the tokenizer: of a padded vocabulary no others are drawn. */
  vocabSize: number;
  /** Ids so far, prompt included, for the penalty. */
  history: Iterable<number>;
}

/** Most tokens of one {@linkcode Decoder.draw}. */
export const MOST_DRAWN = DRAWN_ROWS;

/** One sequence of tokens in a model; see the module. */
export interface Decoder {
  readonly config: ModelConfig;
  /** Of the device: whether it pays to draw many tokens at once. */
  readonly executable: Pick<Executable, "isQueued" | "read">;
  /**
   * Appends tokens to the sequence.
   *
   * Too many for the rest of the context: see {@linkcode contextAfter}.
   *
   * @param ids At least one.
   * @throws {RangeError} If an id is not in the vocabulary.
   */
  feed(ids: ArrayLike<number>): Promise<void>;
  /** Logits of the token after those that were fed, f32 (V). */
  logits(): Promise<Float32Array>;
  /** Says how to draw from now on; the sequence has been fed. */
  begin(options: DrawOptions): void;
  /**
   * Draws tokens, each appended before the next is drawn.
   *
   * @param most At least one, at most {@linkcode MOST_DRAWN}.
   * @returns At least one; fewer where the context is full.
   * @throws {UserError} If the model gives no numbers to choose by.
   */
  draw(most: number): Promise<number[]>;
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
  { config, weights, longestPrompt = 0 }: DecoderOptions,
): Promise<Decoder> {
  const longest = Math.min(
    config.seqLen,
    Math.max(USUAL_PIECE, padded(longestPrompt)),
  );
  const fitting = PIECES.filter((T) => T <= longest);
  const pieces = fitting.length > 0 ? fitting : [config.seqLen];
  // The last piece of a prompt is padded, and must fit wherever it begins.
  const S = config.seqLen + pieces.at(-1)! - 1;
  const phases = [...pieces, 1].map((T) => [
    phaseOf(T),
    buildDecode(config, { T, S }),
  ]);
  const executable = await backend.compile(plan({
    ...Object.fromEntries(phases),
    sample: buildSample(config),
  }));
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

/** Rows that so many tokens take in the shortest pieces. */
function padded(tokens: number, shortest = PIECES.at(-1)!): number {
  return Math.ceil(tokens / shortest) * shortest;
}

/** Name of the phase that reads T tokens. */
function phaseOf(T: number): string {
  return T === 1 ? "decode" : `prefill${T}`;
}

class CachedDecoder implements Decoder {
  readonly config: ModelConfig;
  readonly executable: Executable;
  /** Lengths of pieces, longest first. */
  readonly #pieces: readonly number[];
  /** What is in the cache, one row each. */
  #seen: number[] = [];
  /** Drawn last and not in the cache: the device has it as its next id. */
  #pending: number | null = null;
  #options: DrawOptions | null = null;
  /** Tokens drawn with these options. */
  #drawn = 0;

  constructor(
    config: ModelConfig,
    executable: Executable,
    pieces: readonly number[],
  ) {
    this.config = config;
    this.executable = executable;
    this.#pieces = pieces;
  }

  async feed(ids: ArrayLike<number>): Promise<void> {
    const added = Array.from(ids);
    this.#check(added);
    if (this.#pending !== null) added.unshift(this.#pending);
    this.#pending = null;
    const { length: before } = this.#seen;
    const context = contextAfter(this.#seen, added, this.config);
    const fits = context.length === before + added.length;
    let at = fits ? before : 0;
    this.#seen = context;
    while (at < context.length) {
      const left = context.length - at;
      const T = left === 1 ? 1 : this.#pieceFor(left);
      const piece = context.slice(at, at + T);
      await this.#run(piece, { at, T });
      at += piece.length;
    }
  }

  async logits(): Promise<Float32Array> {
    return await this.executable.read("logits") as Float32Array;
  }

  begin(options: DrawOptions): void {
    this.#options = options;
    this.#drawn = 0;
    const { executable, config } = this;
    executable.write("settings", samplingSettings(options));
    executable.write("used", usedIds(options.history, config));
  }

  async draw(most: number): Promise<number[]> {
    const options = this.#options;
    if (!options) throw new TypeError("Cannot draw before begin");
    if (this.#pending !== null && this.#seen.length === this.config.seqLen) {
      const pending = this.#pending;
      this.#pending = null;
      await this.feed([pending]); // reads the newer half again
    }
    const { executable } = this;
    const at = this.#seen.length;
    const waiting = this.#pending === null ? 0 : 1;
    const count = Math.min(most, this.config.seqLen - at + 1 - waiting);
    for (let slot = 0; slot < count; slot++) {
      if (slot + waiting > 0) await this.#append(at + slot + waiting - 1);
      const draw = this.#drawn + slot;
      executable.write("choice", samplingChoice({ ...options, draw, slot }));
      await executable.run("sample");
    }
    const ids = Array.from((await executable.read("drawn")).slice(0, count));
    if (ids.includes(NO_TOKEN)) {
      throw new UserError("Cannot choose a token: the model gives no numbers", {
        hint: "its training went wrong; use an earlier checkpoint",
      });
    }
    if (this.#pending !== null) this.#seen.push(this.#pending);
    this.#seen.push(...ids.slice(0, -1));
    this.#pending = ids.at(-1)!;
    this.#drawn += count;
    return ids;
  }

  reset(): void {
    this.#seen = []; // rows of the cache beyond the position are not read
    this.#pending = null;
    this.#options = null;
  }

  async dispose(): Promise<void> {
    await this.executable.dispose();
  }

  /** The longest piece that does not pad more than the shortest ones would. */
  #pieceFor(left: number): number {
    const rows = padded(left, this.#pieces.at(-1));
    return this.#pieces.find((T) => T <= rows)!;
  }

  /** Runs the id that the device drew last, at cache row `at`. */
  async #append(at: number): Promise<void> {
    const { executable } = this;
    executable.write(decodeInputs(1).positions, Uint32Array.of(at));
    executable.write("position", Uint32Array.of(at));
    await executable.run(phaseOf(1));
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
    this.executable.write(names.ids, ids);
    this.executable.write(names.positions, positions);
    this.executable.write("position", Uint32Array.of(at));
    if (T > 1) {
      this.executable.write("lastRow", Uint32Array.of(piece.length - 1));
    }
    await this.executable.run(phaseOf(T));
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
