/**
 * What a tokenizer is, whatever made it.
 *
 * @module
 */

/** Text to ids and back. */
export interface Tokenizer {
  /** `bpe`, `char`, `byte` or `file`. */
  readonly type: string;
  /** Number of ids, special tokens included; ids are 0 … vocabSize-1. */
  readonly vocabSize: number;
  /** The id that ends a text, when there is one. */
  readonly endOfText: number | null;
  /** The Hugging Face `tokenizer.json` of this tokenizer, as text. */
  readonly json: string;
  /** sha256 (hex) of {@linkcode json}. */
  readonly fingerprint: string;
  /** Ids of `text`; special tokens written in it are recognized. */
  encode(text: string): Uint32Array;
  /** Text of `ids`, special tokens left out. */
  decode(ids: ArrayLike<number>): string;
}
