/**
 * A `tokenizer.json` in the terms of llama.cpp, which has one tokenizer of its
 * own for each kind: byte-level BPE with a word pattern that it knows by name
 * ("gpt2"), sentence pieces with byte fallback ("llama"), and longest match
 * over raw text ("rwkv"), which is what single characters need.
 *
 * Source: `llama_vocab::impl::load` of llama.cpp's src/llama-vocab.cpp.
 *
 * @module
 */

import { EXIT, UserError } from "../base/errors.ts";
import { readCharacters } from "../tokenizer/characters.ts";
import {
  type ConfigTokens,
  findStartOfText,
} from "../tokenizer/start_of_text.ts";
import {
  findEndOfText,
  parseTokenizerJson,
  type TokenizerFile,
} from "../tokenizer/tokenizer_json.ts";
import type { GgufValue } from "./gguf_file.ts";

type Entries = [key: string, value: GgufValue][];

/** `llama_token_type`. */
const TYPE = { normal: 1, unknown: 2, control: 3, user: 4, unused: 5, byte: 6 };

/**
 * The metadata below `tokenizer.ggml`.
 *
 * @param options.vocabSize Rows of the embedding; ids beyond the tokenizer's
 * are filled up.
 * @param options.config Which ids begin and end a text.
 * @throws {UserError} If llama.cpp has no tokenizer of this kind.
 */
export function ggufTokenizer(
  json: string,
  { vocabSize, config }: { vocabSize: number; config: ConfigTokens },
): Entries {
  const file = parseTokenizerJson(json, "tokenizer.json");
  const kind = characters(file) ?? byteLevel(file) ?? sentencePieces(file);
  if (kind === null) throw unknownKind();
  const { tokens, types } = tokenList(file, { vocabSize, ...kind });
  const isId = (id: unknown): id is number =>
    Number.isInteger(id) && id as number >= 0 && id as number < vocabSize;
  const [firstEos] = [config.eos_token_id].flat();
  const eos = isId(firstEos) ? firstEos : findEndOfText(file.addedTokens);
  const found = findStartOfText(file.root.post_processor, config);
  const start = isId(found) ? found : null;
  const bos = start ?? eos;
  const entries: Entries = [
    ["model", { text: kind.model }],
    ["pre", { text: kind.pre }],
    ["tokens", { texts: tokens }],
    ["token_type", { i32s: types }],
    ...kind.entries(tokens),
    ...bos === null ? [] : [["bos_token_id", { u32: bos }]] as Entries,
    ...eos === null ? [] : [["eos_token_id", { u32: eos }]] as Entries,
    ...isId(file.unknownId)
      ? [["unknown_token_id", { u32: file.unknownId }]] as Entries
      : [],
    ["add_bos_token", { bool: start !== null }],
    ["add_eos_token", { bool: false }],
  ];
  return entries.map(([key, value]) => [`tokenizer.ggml.${key}`, value]);
}

/** One of llama.cpp's tokenizers, set up for a file. */
interface Kind {
  model: string;
  pre: string;
  /** How it writes a token of the file's model. */
  write?: (token: string) => string;
  /** What else it reads. */
  entries: (tokens: readonly string[]) => Entries;
}

function tokenList(
  { vocab, addedTokens, unknownId }: TokenizerFile,
  { vocabSize, model, write = (token) => token }:
    & Pick<Kind, "model" | "write">
    & { vocabSize: number },
): { tokens: string[]; types: number[] } {
  const tokens = Array.from({ length: vocabSize }, (_, id) => `[PAD${id}]`);
  const types = new Array<number>(vocabSize).fill(TYPE.unused);
  for (const [token, id] of vocab) {
    tokens[id] = write(token);
    types[id] = model === "llama" && /^<0x[0-9A-F]{2}>$/.test(token)
      ? TYPE.byte
      : TYPE.normal;
  }
  for (const { content, id, special } of addedTokens) {
    tokens[id] = content;
    types[id] = special ? TYPE.control : TYPE.user;
  }
  // Of characters, the unknown one is a character like the others.
  if (model === "llama" && unknownId !== null && unknownId < vocabSize) {
    types[unknownId] = TYPE.unknown;
  }
  return { tokens, types };
}

function characters(file: TokenizerFile): Kind | null {
  if (readCharacters(file) === null) return null;
  return { model: "rwkv", pre: "default", write: escaped, entries: () => [] };
}

/** UTF-8 as Python writes bytes: what llama.cpp undoes for "rwkv". */
function escaped(token: string): string {
  return [...new TextEncoder().encode(token)].map((byte) => {
    const isPlain = byte >= 0x20 && byte < 0x7f && byte !== 0x5c;
    if (isPlain) return String.fromCharCode(byte);
    return `\\x${byte.toString(16).padStart(2, "0")}`;
  }).join("");
}

const LLAMA3_WORDS =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}|" +
  " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
/** Word patterns by llama.cpp's names of them. */
const WORD_PATTERNS: Record<string, string> = {
  [LLAMA3_WORDS]: "llama-bpe",
  [LLAMA3_WORDS.replace("{1,3}", "")]: "qwen2",
};

function byteLevel({ root }: TokenizerFile): Kind | null {
  const model = root.model as { type?: string; merges?: unknown };
  if (!Array.isArray(model.merges)) return null;
  const pre = wordPattern(root);
  if (pre === null) return null;
  const merges = model.merges.map(mergeText);
  return {
    model: "gpt2",
    pre,
    entries: () => [["merges", { texts: merges }]],
  };
}

/** "a b" in files made before 2024, ["a", "b"] since. */
function mergeText(merge: unknown): string {
  return Array.isArray(merge) ? merge.join(" ") : String(merge);
}

/** The name of how words are cut; null if it is none of byte-level BPE's. */
function wordPattern(root: TokenizerFile["root"]): string | null {
  const before = root.pre_tokenizer as PreTokenizer | null;
  const steps = before?.type === "Sequence"
    ? before.pretokenizers ?? []
    : [before];
  const [first, last] = [steps[0], steps.at(-1)];
  if (last?.type !== "ByteLevel" || last.add_prefix_space) return null;
  if (steps.length === 1) return last.use_regex === false ? null : "gpt-2";
  if (steps.length !== 2) return null;
  if (first?.type === "Digits" && first.individual_digits) {
    return last.use_regex === false ? null : "smollm";
  }
  const isSplit = first?.type === "Split" && last.use_regex === false;
  return isSplit ? WORD_PATTERNS[first.pattern?.Regex ?? ""] ?? null : null;
}

/** A step of a tokenizer.json before its model, as far as it is read here. */
interface PreTokenizer {
  type?: string;
  pretokenizers?: (PreTokenizer | null)[];
  add_prefix_space?: boolean;
  use_regex?: boolean;
  individual_digits?: boolean;
  prepend_scheme?: string;
  pattern?: { Regex?: string };
}

function sentencePieces({ root, vocab }: TokenizerFile): Kind | null {
  const model = root.model as { merges?: unknown; byte_fallback?: boolean };
  if (!model.byte_fallback || !Array.isArray(model.merges)) return null;
  if (!vocab.has("<0x0A>")) return null;
  // A merge is tried the earlier the higher the score of what it gives.
  const rank = new Map<string, number>();
  for (const [i, merge] of model.merges.entries()) {
    const token = mergeText(merge).replace(" ", "");
    if (!rank.has(token)) rank.set(token, i + 1);
  }
  return {
    model: "llama",
    pre: "default",
    entries: (tokens) => [
      ["scores", { f32s: tokens.map((token) => -(rank.get(token) ?? 0)) }],
      ["add_space_prefix", { bool: addsSpace(root) }],
    ],
  };
}

function addsSpace({ normalizer, pre_tokenizer }: TokenizerFile["root"]) {
  const before = pre_tokenizer as PreTokenizer | null;
  if (before?.type === "Metaspace") return before.prepend_scheme !== "never";
  return JSON.stringify(normalizer ?? null).includes('"Prepend"');
}

function unknownKind(): UserError {
  return new UserError(
    "Cannot export as gguf: llama.cpp has no tokenizer like this model's",
    {
      hint: "use --format hf, which keeps the tokenizer as it is",
      exitCode: EXIT.usage,
    },
  );
}
