/**
 * Encoding and decoding with byte-level BPE: what `bpe` and `byte` use, and
 * any `tokenizer.json` of GPT-2's shape.
 *
 * Hugging Face's code could take these files too, but in WebAssembly it needs
 * 10 times as long (WikiText-2, 2048 ids: 0.8 against 8 million tokens/s on
 * one core of an AMD EPYC, bench/tokenizer_bench.ts), 0.3 s and 54 MB to load,
 * and it takes 9,392 letters and digits younger than Unicode 14 for signs.
 * Merging is in merge_word.ts.
 *
 * @module
 */

import { z } from "zod";
import { AddedTokens } from "./added_tokens.ts";
import { BYTE_CHARACTERS, CHARACTER_BYTES } from "./byte_level.ts";
import { grown } from "./grown.ts";
import { IdBuffer } from "./id_buffer.ts";
import { type Merges, mergeWord } from "./merge_word.ts";
import { PairTable } from "./pair_table.ts";
import type { AddedToken, TokenizerFile } from "./tokenizer_json.ts";
import { WordTable } from "./word_table.ts";
import { wordEnd } from "./words.ts";

/** A byte-level BPE model, see {@linkcode readByteLevel}. */
export interface ByteLevelModel {
  /** Ids of the tokens; has all of `BYTE_CHARACTERS`. */
  vocab: ReadonlyMap<string, number>;
  /** Pairs of tokens, the first to be applied first; all in `vocab`. */
  merges: [string, string][];
  addedTokens: readonly AddedToken[];
}

/** Above the largest vocabulary: ids and ranks are 32-bit numbers. */
const MOST_TOKENS = 2 ** 21;
/** Words whose ids are remembered: more no longer fit the processor's cache. */
const KNOWN_WORDS = 1 << 17;
/** Bytes; longer words are rare, and would fill the memory. */
const KNOWN_LENGTH = 64;

/** Byte-level BPE, ready to use. */
export class ByteLevelBpe {
  #idOfByte: Uint32Array;
  #merges: Merges;
  #hasMerges: boolean;
  #bytesOfId: Uint8Array[] = [];
  #added: AddedTokens;
  #specialIds: Set<number>;
  #known = new WordTable();
  /** Ids of the known words, one after another, and where each begins. */
  #knownIds = new Uint32Array(1 << 14);
  #knownStarts = new Uint32Array(KNOWN_WORDS + 1);
  #scratch = new Uint32Array(1 << 10);

  constructor({ vocab, merges, addedTokens }: ByteLevelModel) {
    this.#idOfByte = Uint32Array.from(
      BYTE_CHARACTERS,
      (character) => vocab.get(character)!,
    );
    const ranks = new PairTable(merges.length);
    merges.forEach(([left, right], rank) => {
      ranks.set(vocab.get(left)!, vocab.get(right)!, rank);
    });
    this.#merges = {
      ranks,
      mergedIds: Uint32Array.from(
        merges,
        ([left, right]) => vocab.get(left + right)!,
      ),
    };
    this.#hasMerges = merges.length > 0;
    for (const [token, id] of vocab) this.#bytesOfId[id] = tokenBytes(token);
    for (const { id, content } of addedTokens) {
      this.#bytesOfId[id] = tokenBytes(content);
    }
    this.#added = new AddedTokens(addedTokens);
    this.#specialIds = new Set(
      addedTokens.filter((t) => t.special).map((t) => t.id),
    );
  }

  /** Ids of `text`; a lone surrogate counts as U+FFFD. */
  encode(text: string): Uint32Array {
    const bytes = utf8Encoder.encode(text);
    const ids = new IdBuffer(bytes.length);
    this.encodeInto(ids, bytes);
    return ids.take();
  }

  /** Appends the ids of a text that is given as valid UTF-8. */
  encodeInto(ids: IdBuffer, bytes: Uint8Array): void {
    let at = 0;
    for (const token of this.#added.find(bytes)) {
      this.#encodePlain(bytes, at, token.at, ids);
      ids.push(token.id);
      at = token.end;
    }
    this.#encodePlain(bytes, at, bytes.length, ids);
  }

  /** Text of `ids`, without special tokens; ids out of range are left out. */
  decode(ids: ArrayLike<number>): string {
    return utf8Decoder.decode(this.decodeUtf8(ids));
  }

  /** The same as bytes, which need not be whole characters. */
  decodeUtf8(ids: ArrayLike<number>): Uint8Array<ArrayBuffer> {
    const parts: Uint8Array[] = [];
    let length = 0;
    for (let i = 0; i < ids.length; i++) {
      const bytes = this.#bytesOfId[ids[i]];
      if (bytes === undefined || this.#specialIds.has(ids[i])) continue;
      parts.push(bytes);
      length += bytes.length;
    }
    const all = new Uint8Array(length);
    let at = 0;
    for (const bytes of parts) {
      all.set(bytes, at);
      at += bytes.length;
    }
    return all;
  }

  #encodePlain(
    bytes: Uint8Array,
    at: number,
    end: number,
    ids: IdBuffer,
  ): void {
    if (!this.#hasMerges) { // so words do not matter
      while (at < end) ids.push(this.#idOfByte[bytes[at++]]);
      return;
    }
    const known = this.#known, starts = this.#knownStarts;
    while (at < end) {
      const stop = wordEnd(bytes, at, end);
      if (stop - at > KNOWN_LENGTH) {
        const length = this.#mergeWord(bytes, at, stop);
        ids.append(this.#scratch, 0, length);
      } else {
        if (known.size === KNOWN_WORDS) known.clear();
        const before = known.size;
        const word = known.enter(bytes, at, stop);
        if (word === before) this.#learn(word, bytes, at, stop);
        ids.append(this.#knownIds, starts[word], starts[word + 1]);
      }
      at = stop;
    }
  }

  /** Notes the ids of a new word. */
  #learn(word: number, bytes: Uint8Array, at: number, end: number): void {
    const length = this.#mergeWord(bytes, at, end);
    const start = word === 0 ? 0 : this.#knownStarts[word];
    while (start + length > this.#knownIds.length) {
      this.#knownIds = grown(this.#knownIds, Uint32Array);
    }
    this.#knownIds.set(this.#scratch.subarray(0, length), start);
    this.#knownStarts[word] = start;
    this.#knownStarts[word + 1] = start + length;
  }

  /** Puts the ids of a word at the start of the scratch; returns how many. */
  #mergeWord(bytes: Uint8Array, at: number, end: number): number {
    while (end - at > this.#scratch.length) {
      this.#scratch = grown(this.#scratch, Uint32Array);
    }
    const scratch = this.#scratch;
    for (let i = at; i < end; i++) scratch[i - at] = this.#idOfByte[bytes[i]];
    return mergeWord(scratch, end - at, this.#merges);
  }
}

const bpeSchema = z.object({
  added_tokens: z.array(z.object({
    single_word: z.literal(false),
    lstrip: z.literal(false),
    rstrip: z.literal(false),
    normalized: z.boolean(),
  })).nullish(),
  normalizer: z.null().optional(),
  pre_tokenizer: z.object({
    type: z.literal("ByteLevel"),
    add_prefix_space: z.literal(false),
    use_regex: z.literal(true).optional(),
  }),
  decoder: z.object({ type: z.literal("ByteLevel") }),
  model: z.object({
    type: z.literal("BPE").optional(),
    dropout: z.literal(0).nullish(),
    continuing_subword_prefix: z.literal("").nullish(),
    end_of_word_suffix: z.literal("").nullish(),
    byte_fallback: z.literal(false).optional(),
    ignore_merges: z.literal(false).optional(),
    merges: z.array(z.unknown()),
  }),
});

/** The model of `file` if it is byte-level BPE of GPT-2's shape, or null. */
export function readByteLevel(file: TokenizerFile): ByteLevelModel | null {
  const { vocab, addedTokens } = file;
  const parsed = bpeSchema.safeParse(file.root);
  if (!parsed.success) return null;
  const { added_tokens, model } = parsed.data;
  if (Math.max(vocab.size, model.merges.length) > MOST_TOKENS) return null;
  // Tokens of the two kinds are looked for in two passes; one is enough here.
  if (new Set(added_tokens?.map((t) => t.normalized)).size > 1) return null;
  if (!BYTE_CHARACTERS.every((character) => vocab.has(character))) return null;
  const merges: [string, string][] = [];
  for (const merge of model.merges) {
    // "a b" in files made before 2024, ["a", "b"] since.
    const pair = typeof merge === "string" ? merge.split(" ") : merge;
    if (!isPair(pair)) return null;
    const [left, right] = pair;
    if (!vocab.has(left) || !vocab.has(right)) return null;
    if (!vocab.has(left + right)) return null;
    merges.push(pair);
  }
  return { vocab, merges, addedTokens };
}

function isPair(value: unknown): value is [string, string] {
  return Array.isArray(value) && value.length === 2 &&
    value.every((token) => typeof token === "string");
}

const utf8Encoder = new TextEncoder();
// A byte order mark is text like any other.
const utf8Decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** An added token may have characters that stand for no byte: it is text. */
function tokenBytes(token: string): Uint8Array {
  const bytes = [...token].map((character) => CHARACTER_BYTES.get(character));
  return bytes.every((byte) => byte !== undefined)
    ? Uint8Array.from(bytes)
    : utf8Encoder.encode(token);
}
