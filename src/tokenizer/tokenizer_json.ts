/**
 * Hugging Face's `tokenizer.json`, read as far as all of them are alike.
 *
 * Which tokens are special, which ends a text, how many ids there are. The
 * shapes that this project encodes by itself are told apart in
 * byte_level_bpe.ts and characters.ts; hugging_face.ts takes all others.
 * Source: https://github.com/huggingface/tokenizers, `Tokenizer::from_str`.
 *
 * @module
 */

import { z } from "zod";
import { errorMessage, EXIT, UserError } from "../base/errors.ts";
import { parseJson } from "../base/parse_json.ts";

/** A token that is looked for in a text before anything else is done. */
export interface AddedToken {
  id: number;
  content: string;
  /** Left out by `decode`. */
  special: boolean;
}

/** What every `tokenizer.json` tells. */
export interface TokenizerFile {
  /** The parsed file, checked only as far as the other fields tell. */
  root: Record<string, unknown>;
  /** Ids of the model's tokens, added tokens not included. */
  vocab: ReadonlyMap<string, number>;
  addedTokens: AddedToken[];
  /** The largest id plus one. */
  vocabSize: number;
  /** The id that stands for what the vocabulary lacks, or null. */
  unknownId: number | null;
}

const fileSchema = z.object({
  added_tokens: z.array(z.object({
    content: z.string(),
    special: z.boolean().default(false),
  })).nullish(),
  model: z.object({
    type: z.enum(["BPE", "WordPiece", "WordLevel", "Unigram"]).optional(),
    vocab: z.custom<VocabJson>(isVocab, "no map of tokens to ids"),
    unk_token: z.string().nullish(),
    unk_id: z.int().min(0).nullish(),
  }),
});

/**
 * The largest vocabularies have 262,144 ids; a table for this many would still
 * fit in memory, and so does a model of a few channels.
 */
const MOST_IDS = 1 << 24;

/** By name, or for Unigram a list of names and scores. */
type VocabJson = Record<string, number> | [string, number][];

/**
 * Reads what is common to all `tokenizer.json` files.
 *
 * @param name What to call the file in an error message.
 * @throws {UserError} If `json` is not a Hugging Face tokenizer.
 */
export function parseTokenizerJson(json: string, name: string): TokenizerFile {
  let root: TokenizerFile["root"];
  try {
    root = parseJson(json) as TokenizerFile["root"];
  } catch (cause) {
    // The message quotes the text, over several lines.
    const reason = errorMessage(cause).replaceAll(/\s+/g, " ");
    throw notATokenizer(name, `it is not JSON (${reason})`, cause);
  }
  const parsed = fileSchema.safeParse(root);
  if (!parsed.success) {
    const [{ path, message }] = parsed.error.issues;
    const where = path.length === 0 ? "" : ` at "${path.join(".")}"`;
    throw notATokenizer(
      name,
      `it is not a Hugging Face tokenizer${where}: ${message}`,
      parsed.error,
    );
  }
  const { model, added_tokens } = parsed.data;
  const vocab = new Map<string, number>(
    Array.isArray(model.vocab)
      ? model.vocab.map(([token], id) => [token, id])
      : Object.entries(model.vocab),
  );
  const addedTokens = numberAddedTokens(added_tokens ?? [], vocab);
  const unknown = model.unk_token;
  const unknownId = model.unk_id ??
    (unknown == null ? null : vocab.get(unknown) ?? null);
  let vocabSize = 0;
  for (const id of vocab.values()) vocabSize = Math.max(vocabSize, id + 1);
  for (const { id } of addedTokens) vocabSize = Math.max(vocabSize, id + 1);
  return { root, vocab, addedTokens, vocabSize, unknownId };
}

/** The error for a file that cannot serve as a tokenizer. */
export function notATokenizer(
  name: string,
  reason: string,
  cause?: unknown,
): UserError {
  return new UserError(`Cannot use tokenizer "${name}": ${reason}`, {
    hint: "set tokenizer.path to the tokenizer.json of a Hugging Face model, " +
      "or tokenizer.type to bpe, char or byte",
    exitCode: EXIT.usage,
    cause,
  });
}

/** Names of the token that ends a text, the more telling first. */
const END_OF_TEXT_NAMES = [
  "<|endoftext|>",
  "</s>",
  "<|end_of_text|>",
  "<eos>",
  "<|eos|>",
  "[EOS]",
  "<｜end▁of▁sentence｜>",
];

/** The id of the added token that ends a text, or null. */
export function findEndOfText(tokens: readonly AddedToken[]): number | null {
  for (const name of END_OF_TEXT_NAMES) {
    const token = tokens.find(({ content }) => content === name);
    if (token !== undefined) return token.id;
  }
  return null;
}

/**
 * Ids of added tokens by Hugging Face's rule, which does not read the ids in
 * the file: a token of the vocabulary keeps its id, the others count on.
 */
function numberAddedTokens(
  tokens: readonly { content: string; special: boolean }[],
  vocab: ReadonlyMap<string, number>,
): AddedToken[] {
  const byContent = new Map<string, AddedToken>();
  let next = vocab.size;
  for (const { content, special } of tokens) {
    if (content === "") continue;
    const id = byContent.get(content)?.id ?? vocab.get(content) ?? next;
    next = Math.max(next, id + 1);
    byContent.set(content, { id, content, special });
  }
  return [...byContent.values()];
}

// By hand: a vocabulary may hold 200,000 tokens, "__proto__" among them.
function isVocab(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (Array.isArray(value)) {
    return value.every((entry) =>
      Array.isArray(entry) && entry.length === 2 &&
      typeof entry[0] === "string" && typeof entry[1] === "number"
    );
  }
  return Object.values(value).every((id) =>
    Number.isInteger(id) && id >= 0 && id < MOST_IDS
  );
}
