/**
 * Trains a byte-level BPE tokenizer and writes it as a Hugging Face
 * `tokenizer.json`.
 *
 * On the same texts the result equals, token by token and merge by merge, what
 * Python's tokenizers give for a `ByteLevel` pre-tokenizer and a `BpeTrainer`
 * whose `initial_alphabet` is `ByteLevel.alphabet()`. Counting is in
 * word_counts.ts, merging in bpe_merges.ts.
 *
 * @module
 */

import { breather } from "../base/breather.ts";
import { formatCount } from "../base/format.ts";
import { BpeLearner, type BpeStart } from "./bpe_merges.ts";
import { BYTE_CHARACTERS } from "./byte_level.ts";
import { BatchBuilder } from "./text_batch.ts";
import { TextPool } from "./text_pool.ts";
import { type CountedWords, WordCounts } from "./word_counts.ts";
import { byteLevelJson, END_OF_TEXT } from "./write_json.ts";

/** How far a training is. */
export type BpeProgress =
  | { phase: "counting"; /** UTF-16 units read. */ chars: number }
  | { phase: "merging"; vocabSize: number; targetVocabSize: number };

/** Settings of {@linkcode trainBpe}. */
export interface BpeOptions {
  /** Ids to end with, special tokens and the 256 bytes included. */
  vocabSize: number;
  /** Get the first ids; default: only {@linkcode END_OF_TEXT}. */
  specialTokens?: readonly string[];
  /** Pairs seen less often are not merged; default 0, as `BpeTrainer`. */
  minFrequency?: number;
  /** Threads that count; 0 or left out: one per core. */
  threads?: number;
  /** One line about something the user may want to know. */
  onNotice?: (message: string) => void;
  /** Called a few times a second. */
  onProgress?: (progress: BpeProgress) => void;
  /** Ends the training with the signal's reason. */
  signal?: AbortSignal;
}

/**
 * The `tokenizer.json` of a tokenizer trained on `texts`.
 *
 * Each text is cut into words by itself. A small corpus gives a smaller
 * vocabulary than asked for, but never less than the 256 bytes and the
 * special tokens.
 */
export async function trainBpe(
  texts: Iterable<string> | AsyncIterable<string>,
  options: BpeOptions,
): Promise<string> {
  const { vocabSize, minFrequency = 0, onProgress, signal } = options;
  const specialTokens = options.specialTokens ?? [END_OF_TEXT];
  const breathe = breather(signal);

  // 1. Count words.
  using pool = new TextPool({ kind: "count" }, options.threads);
  const batches = new BatchBuilder(async (batch) => {
    await pool.submit(batch);
  });
  let chars = 0;
  for await (const text of texts) {
    await batches.add(text);
    chars += text.length;
    if (await breathe()) onProgress?.({ phase: "counting", chars });
  }
  await batches.flush();
  const [first, ...others] = await pool.finish();
  const counts = sum(first, others);
  if (counts.dropped > 0) {
    options.onNotice?.(
      `${formatCount(counts.dropped)} of the rarest words were left out of ` +
        "the training of the tokenizer, to keep within memory",
    );
  }

  // 2. Merge pairs until the vocabulary is full.
  const learner = new BpeLearner(startOf(counts, specialTokens));
  const { tokens } = learner;
  while (tokens.length < vocabSize && learner.step(minFrequency)) {
    if (await breathe()) {
      onProgress?.({
        phase: "merging",
        vocabSize: tokens.length,
        targetVocabSize: vocabSize,
      });
    }
  }

  // 3. Write it down.
  return byteLevelJson({ tokens, merges: learner.merges() }, specialTokens);
}

/** What all threads counted. */
function sum(first: CountedWords, others: CountedWords[]): CountedWords {
  if (others.length === 0) return first;
  const counts = new WordCounts();
  for (const part of [first, ...others]) counts.merge(part);
  return counts.take();
}

/** Words as ids of the initial vocabulary: special tokens, then bytes. */
function startOf(
  { bytes, starts, counts }: CountedWords,
  specialTokens: readonly string[],
): BpeStart {
  const tokens = [
    ...new Set([...specialTokens, ...[...BYTE_CHARACTERS].sort()]),
  ];
  const ids = new Map(tokens.map((token, id) => [token, id]));
  const idOfByte = BYTE_CHARACTERS.map((character) => ids.get(character)!);
  const symbols = Int32Array.from(bytes, (byte) => idOfByte[byte]);
  return { tokens, symbols, starts, counts };
}
