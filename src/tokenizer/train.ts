/**
 * The tokenizer that a configuration asks for: trained, fixed or read.
 *
 * @module
 */

import { join } from "node:path";
import { errorMessage, EXIT, UserError } from "../base/errors.ts";
import { LARGE_FILE_BYTES, readLimitedText } from "../base/limited_file.ts";
import { BYTE_CHARACTERS } from "./byte_level.ts";
import { trainCharacters } from "./characters.ts";
import { type LoadedTokenizer, loadTokenizer } from "./load.ts";
import { type BpeProgress, trainBpe } from "./train_bpe.ts";
import { byteLevelJson, END_OF_TEXT } from "./write_json.ts";

/** The `tokenizer` section of a configuration. */
export interface TokenizerSettings {
  type: "bpe" | "char" | "byte" | "file";
  /** For `bpe`: ids to end with; a small corpus gives fewer. */
  vocabSize: number;
  /** For `file`: a `tokenizer.json`, or the folder that holds one. */
  path?: string;
}

/** Settings of {@linkcode trainTokenizer} that are not configuration. */
export interface TrainTokenizerOptions {
  /** For `bpe`: tokens of their own after end-of-text, found in any text. */
  specialTokens?: readonly string[];
  /** For `bpe`: pairs seen less often are not merged; default 2. */
  minFrequency?: number;
  /** Threads that count words; 0 or left out: one per core. */
  threads?: number;
  onProgress?: (progress: BpeProgress) => void;
  /** One line about something the user may want to know. */
  onNotice?: (message: string) => void;
  signal?: AbortSignal;
}

/**
 * A pair seen once is a word seen once: it would take an id from the pairs
 * that matter. The same choice as Hugging Face's `ByteLevelBPETokenizer`.
 */
const MIN_FREQUENCY = 2;

/**
 * The tokenizer of `settings`. Only `bpe` and `char` read `texts`.
 *
 * @throws {UserError} If the file of `settings.path` is missing or no
 * tokenizer, or the texts have no character for `char`; exit code 2.
 */
export async function trainTokenizer(
  settings: TokenizerSettings,
  texts: Iterable<string> | AsyncIterable<string>,
  options: TrainTokenizerOptions = {},
): Promise<LoadedTokenizer> {
  const { type, vocabSize } = settings;
  if (type === "file") return await readTokenizer(settings.path);
  const json = type === "byte"
    ? byteTokenizerJson()
    : type === "char"
    ? await trainCharacters(texts)
    : await trainBpe(texts, {
      ...options,
      vocabSize,
      minFrequency: options.minFrequency ?? MIN_FREQUENCY,
      specialTokens: [END_OF_TEXT, ...options.specialTokens ?? []],
    });
  return await loadTokenizer(json, { type });
}

/** Bytes as ids 0 to 255, then {@linkcode END_OF_TEXT}; knows every text. */
export function byteTokenizerJson(): string {
  const tokens = [...BYTE_CHARACTERS, END_OF_TEXT];
  return byteLevelJson({ tokens, merges: [] }, [END_OF_TEXT]);
}

async function readTokenizer(path?: string): Promise<LoadedTokenizer> {
  const json = await readTokenizerJson(path);
  return await loadTokenizer(json, { type: "file", name: path });
}

/**
 * The text of a `tokenizer.json`.
 *
 * @param path Of the file or its folder.
 * @throws {UserError} If there is none.
 */
export async function readTokenizerJson(path?: string): Promise<string> {
  if (path === undefined) {
    throw new UserError("Cannot open a tokenizer of type file: no path given", {
      hint: "set tokenizer.path to a tokenizer.json",
      exitCode: EXIT.usage,
    });
  }
  try {
    const { isDirectory } = await Deno.stat(path);
    const file = isDirectory ? join(path, "tokenizer.json") : path;
    return await readLimitedText(file, LARGE_FILE_BYTES);
  } catch (cause) {
    const reason = cause instanceof Deno.errors.NotFound
      ? "no such file"
      : errorMessage(cause);
    throw new UserError(`Cannot read tokenizer "${path}": ${reason}`, {
      hint: "set tokenizer.path to a tokenizer.json, or to its folder",
      exitCode: EXIT.usage,
      cause,
    });
  }
}
