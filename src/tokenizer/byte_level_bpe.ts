/**
 * Encoding and decoding with byte-level BPE: what `bpe` and `byte` use, and
 * any `tokenizer.json` of GPT-2's shape.
 *
 * Hugging Face's code could take these files too, but in WebAssembly it needs
 * 10 times as long (WikiText-2, 2048 ids: 0.8 against 8 million tokens/s on
 * one core of an AMD EPYC, bench/tokenizer_bench.ts), 0.3 s and 54 MB to load,
 * and it takes 9,392 letters and digits younger than Unicode 14 for signs.
 * Merging follows `Word::merge_all` of Hugging Face's src/models/bpe/word.rs.
 *
 * @module
 */

import { z } from "zod";
import {
  BYTE_CHARACTERS,
  CHARACTER_BYTES,
  detachWord,
  splitWords,
} from "./byte_level.ts";
import { Heap } from "./heap.ts";
import type { AddedToken, TokenizerFile } from "./tokenizer_json.ts";

/** A byte-level BPE model, see {@linkcode readByteLevel}. */
export interface ByteLevelModel {
  /** Ids of the tokens; has all of `BYTE_CHARACTERS`. */
  vocab: ReadonlyMap<string, number>;
  /** Pairs of tokens, the first to be applied first; all in `vocab`. */
  merges: [string, string][];
  addedTokens: readonly AddedToken[];
}

/** Above the largest vocabulary, so that two ids fit one exact double. */
const PAIR_BASE = 2 ** 21;
/** A rank and a place in a word, too, are one exact double. */
const RANK_BASE = 2 ** 32;
/** Words whose ids are remembered; natural text repeats a few thousand. */
const CACHED_WORDS = 1 << 16;
/** UTF-16 units; longer words are rare, and would fill the memory. */
const CACHED_LENGTH = 64;

/** Byte-level BPE, ready to use. */
export class ByteLevelBpe {
  #idOfByte: Uint32Array;
  /** Rank of a pair of ids: the lowest is merged first. */
  #ranks = new Map<number, number>();
  /** The id that each rank's merge gives. */
  #mergedId: Uint32Array;
  #bytesOfId: Uint8Array[] = [];
  #addedIds: Map<string, number>;
  #addedPattern: RegExp | null;
  #specialIds: Set<number>;
  #cache = new Map<string, readonly number[]>();

  constructor({ vocab, merges, addedTokens }: ByteLevelModel) {
    this.#idOfByte = Uint32Array.from(
      BYTE_CHARACTERS,
      (character) => vocab.get(character)!,
    );
    this.#mergedId = Uint32Array.from(
      merges,
      ([left, right]) => vocab.get(left + right)!,
    );
    merges.forEach(([left, right], rank) => {
      this.#ranks.set(pairKey(vocab.get(left)!, vocab.get(right)!), rank);
    });
    for (const [token, id] of vocab) this.#bytesOfId[id] = tokenBytes(token);
    for (const { id, content } of addedTokens) {
      this.#bytesOfId[id] = tokenBytes(content);
    }
    this.#addedIds = new Map(addedTokens.map((t) => [t.content, t.id]));
    this.#addedPattern = anyOf([...this.#addedIds.keys()]);
    this.#specialIds = new Set(
      addedTokens.filter((t) => t.special).map((t) => t.id),
    );
  }

  /** Ids of `text`; a lone surrogate counts as U+FFFD. */
  encode(text: string): Uint32Array {
    const ids = new IdBuffer(text.length);
    const whole = text.toWellFormed();
    if (this.#addedPattern === null) {
      this.#encodePlain(whole, ids);
    } else {
      // The pattern captures, so every second part is an added token.
      whole.split(this.#addedPattern).forEach((part, i) => {
        if (i % 2 === 1) ids.push(this.#addedIds.get(part)!);
        else if (part !== "") this.#encodePlain(part, ids);
      });
    }
    return ids.take();
  }

  /** Text of `ids`, without special tokens; ids out of range are left out. */
  decode(ids: ArrayLike<number>): string {
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
    return utf8Decoder.decode(all);
  }

  #encodePlain(text: string, ids: IdBuffer): void {
    if (this.#ranks.size === 0) { // nothing to merge, so words do not matter
      for (const byte of utf8Encoder.encode(text)) {
        ids.push(this.#idOfByte[byte]);
      }
      return;
    }
    for (const word of splitWords(text)) {
      let wordIds = this.#cache.get(word);
      if (wordIds === undefined) {
        wordIds = this.#mergeWord(word);
        if (word.length <= CACHED_LENGTH) {
          if (this.#cache.size >= CACHED_WORDS) this.#cache.clear();
          this.#cache.set(detachWord(word), wordIds);
        }
      }
      for (let i = 0; i < wordIds.length; i++) ids.push(wordIds[i]);
    }
  }

  #mergeWord(word: string): number[] {
    const GONE = -1;
    const ids = Array.from(utf8Encoder.encode(word), (b) => this.#idOfByte[b]);
    // Neighbors of each place that is still there; length and -1 are the ends.
    const next = ids.map((_, i) => i + 1);
    const prev = ids.map((_, i) => i - 1);
    // Ordered by rank, then by place: the leftmost of the earliest merge.
    const queue = new Heap<number>((a, b) => a < b);
    const rankAt = (left: number) =>
      left >= 0 && next[left] < ids.length
        ? this.#ranks.get(pairKey(ids[left], ids[next[left]]))
        : undefined;
    const offer = (left: number) => {
      const rank = rankAt(left);
      if (rank !== undefined) queue.push(rank * RANK_BASE + left);
    };
    ids.forEach((_, i) => offer(i));

    for (let top = queue.pop(); top !== undefined; top = queue.pop()) {
      const left = top % RANK_BASE, rank = (top - left) / RANK_BASE;
      if (ids[left] === GONE) continue;
      // Another merge may have changed the pair. What counts is the token it
      // gives, not the pair itself: two pairs may spell the same token.
      const current = rankAt(left);
      if (current === undefined) continue;
      if (this.#mergedId[current] !== this.#mergedId[rank]) continue;
      const right = next[left];
      ids[left] = this.#mergedId[rank];
      ids[right] = GONE;
      next[left] = next[right];
      if (next[left] < ids.length) prev[next[left]] = left;
      offer(prev[left]);
      offer(left);
    }
    return ids.filter((id) => id !== GONE);
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
  if (Math.max(vocab.size, model.merges.length) > PAIR_BASE) return null;
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

/** Ids in one growing array. */
class IdBuffer {
  #ids: Uint32Array;
  #length = 0;

  /** @param chars UTF-16 units to encode; a token has about three. */
  constructor(chars: number) {
    this.#ids = new Uint32Array(16 + Math.ceil(chars / 2));
  }

  push(id: number): void {
    if (this.#length === this.#ids.length) {
      const larger = new Uint32Array(2 * this.#length);
      larger.set(this.#ids);
      this.#ids = larger;
    }
    this.#ids[this.#length++] = id;
  }

  take(): Uint32Array {
    return this.#ids.slice(0, this.#length);
  }
}

const utf8Encoder = new TextEncoder();
// A byte order mark is text like any other.
const utf8Decoder = new TextDecoder("utf-8", { ignoreBOM: true });

function pairKey(left: number, right: number): number {
  return left * PAIR_BASE + right;
}

/** An added token may have characters that stand for no byte: it is text. */
function tokenBytes(token: string): Uint8Array {
  const bytes = [...token].map((character) => CHARACTER_BYTES.get(character));
  return bytes.every((byte) => byte !== undefined)
    ? Uint8Array.from(bytes)
    : utf8Encoder.encode(token);
}

/** Matches any of `words`, at each place the longest; captures it. */
function anyOf(words: string[]): RegExp | null {
  if (words.length === 0) return null;
  const longestFirst = words.toSorted((a, b) => b.length - a.length);
  const escaped = longestFirst.map((word) =>
    word.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&")
  );
  return new RegExp(`(${escaped.join("|")})`, "u");
}
