/**
 * Writes the tokenizers of this project as Hugging Face `tokenizer.json`.
 *
 * The values are those that Python's tokenizers 0.23.2 saves for the same
 * tokenizer, so `transformers` and everything built on it loads them.
 *
 * @module
 */

/** The special token that ends a text, as GPT-2 writes it. */
export const END_OF_TEXT = "<|endoftext|>";

/** What the tokenizers written here differ in. */
interface ModelParts {
  /** Token strings by id. */
  tokens: readonly string[];
  /** Pairs of tokens, the first to be applied first. */
  merges: readonly (readonly [string, string])[];
}

/**
 * Text of a byte-level BPE tokenizer.
 *
 * @param specialTokens Those of `tokens` that are special.
 */
export function byteLevelJson(
  model: ModelParts,
  specialTokens: readonly string[],
): string {
  const byteLevel = { type: "ByteLevel", add_prefix_space: true };
  return tokenizerJson(model, {
    added_tokens: specialTokens.map((content) => ({
      id: model.tokens.indexOf(content),
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    pre_tokenizer: {
      type: "ByteLevel",
      add_prefix_space: false,
      trim_offsets: true,
      use_regex: true,
    },
    post_processor: { ...byteLevel, trim_offsets: false, use_regex: true },
    decoder: { ...byteLevel, trim_offsets: true, use_regex: true },
  });
}

/**
 * Text of a tokenizer whose tokens are single characters: BPE without merges.
 *
 * @param unknown The character of `characters` that stands for all others.
 */
export function charactersJson(
  characters: readonly string[],
  unknown: string,
): string {
  return tokenizerJson({ tokens: characters, merges: [] }, {
    added_tokens: [],
    pre_tokenizer: null,
    post_processor: null,
    decoder: { type: "Fuse" }, // without it, decoding puts spaces in between
    unk_token: unknown,
  });
}

function tokenizerJson({ tokens, merges }: ModelParts, parts: {
  added_tokens: unknown[];
  pre_tokenizer: unknown;
  post_processor: unknown;
  decoder: unknown;
  unk_token?: string;
}): string {
  const { unk_token = null, ...pipeline } = parts;
  const root = {
    version: "1.0",
    truncation: null,
    padding: null,
    normalizer: null,
    ...pipeline,
    model: {
      type: "BPE",
      dropout: null,
      unk_token,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges,
    },
  };
  return JSON.stringify(root, null, 2);
}
