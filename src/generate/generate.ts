/**
 * Text from a model, token by token: what `hearth generate` streams. A GPU
 * draws some tokens between two looks, as a look can take longer than those.
 *
 * @module
 */

import { LookPace } from "../backend/look_pace.ts";
import { checkVocabulary } from "../model/check_vocabulary.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import { type Decoder, MOST_DRAWN } from "./decoder.ts";
import {
  checkFlag,
  checkSampling,
  DEFAULT_SAMPLING,
  type SamplingOptions,
} from "./sampling.ts";
import { TextStream } from "./text_stream.ts";

/** Text that comes twenty times a second looks as if it flowed. */
const LOOKS = {
  name: "drawn",
  share: 20,
  shortestMs: 50,
  longestMs: 200,
  most: MOST_DRAWN,
};

/** How much to generate, and how tokens are drawn. */
export interface GenerationSettings extends SamplingOptions {
  /** Most tokens to draw, end-of-text included. */
  maxNewTokens: number;
  /** Same seed, model and prompt: same text. An integer of up to 53 bits. */
  seed: number;
}

/** What is used where a person says nothing. */
export const DEFAULT_GENERATION: GenerationSettings = {
  ...DEFAULT_SAMPLING,
  maxNewTokens: 200,
  seed: 1337,
};

/** What to write; settings default to {@linkcode DEFAULT_GENERATION}. */
export interface TextOptions extends Partial<GenerationSettings> {
  /** Empty: the model begins a text of its own. */
  prompt: string;
  /** Ends the text after the token at work. */
  signal?: AbortSignal;
}

/** What {@linkcode generate} is given. */
export interface GenerateOptions extends TextOptions {
  /** Its sequence is begun anew. The caller disposes of it. */
  decoder: Decoder;
  /** The model's own: ids of another mean other text. */
  tokenizer: Tokenizer;
  /** An id that the model wants in front of every text. */
  startOfText?: number | null;
}

/** One token drawn. */
export interface GeneratedToken {
  /** In the vocabulary of the model's tokenizer. */
  id: number;
  /** The text that became complete with it; empty inside a character. */
  text: string;
}

/**
 * Fills in defaults; call it before anything is loaded.
 *
 * @throws {UserError} If a value is out of range.
 */
export function resolveGeneration(
  given: Partial<GenerationSettings>,
): GenerationSettings {
  const settings = { ...DEFAULT_GENERATION };
  for (const key of Object.keys(settings) as (keyof GenerationSettings)[]) {
    settings[key] = given[key] ?? settings[key];
  }
  const { maxNewTokens, seed } = settings;
  checkSampling(settings);
  checkFlag("max-new-tokens", maxNewTokens, {
    ok: Number.isSafeInteger(maxNewTokens) && maxNewTokens >= 1,
    allowed: "a whole number of 1 or more",
    hint: "use --max-new-tokens 200",
  });
  checkFlag("seed", seed, {
    ok: Number.isSafeInteger(seed) && seed >= 0,
    allowed: "a whole number of 0 or more",
    hint: "use --seed 1337",
  });
  return settings;
}

/**
 * Continues `prompt`, yielding every token as it is drawn, until end-of-text
 * (which is the last one yielded), `maxNewTokens`, or the signal. The prompt
 * itself is not yielded. A prompt longer than the context counts with its end.
 *
 * @throws {UserError} If a setting is out of range, or the tokenizer is not
 * the model's.
 */
export async function* generate(
  options: GenerateOptions,
): AsyncGenerator<GeneratedToken> {
  const { decoder, tokenizer, signal } = options;
  const settings = resolveGeneration(options);
  const { vocabSize } = tokenizer;
  checkVocabulary("generate", { tokenizer, model: decoder.config });
  const start = promptIds(options);
  const text = new TextStream(tokenizer, start);
  const pace = new LookPace(decoder.executable, LOOKS);

  decoder.reset();
  await decoder.feed(start);
  decoder.begin({ ...settings, vocabSize, history: start });
  let left = settings.maxNewTokens;
  while (!signal?.aborted) {
    const startedAt = performance.now();
    const ids = await decoder.draw(Math.min(pace.pieces, left));
    const ms = performance.now() - startedAt;
    for (const id of ids) {
      if (signal?.aborted) return;
      left--;
      const ended = id === tokenizer.endOfText;
      const last = ended || left === 0;
      const piece = ended ? "" : text.push(id);
      yield { id, text: last ? piece + text.flush() : piece };
      if (last) return;
    }
    await pace.record(ids.length, ms);
  }
}

/** Ids to begin with: of the prompt, or of what comes before any text. */
function promptIds(
  { tokenizer, prompt, startOfText = null }: GenerateOptions,
): Uint32Array {
  const ids = tokenizer.encode(prompt);
  if (startOfText !== null) return Uint32Array.from([startOfText, ...ids]);
  if (ids.length > 0) return ids;
  if (tokenizer.endOfText !== null) return Uint32Array.of(tokenizer.endOfText);
  const newline = tokenizer.encode("\n");
  return newline.length > 0 ? newline : Uint32Array.of(0);
}
