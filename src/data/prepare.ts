/**
 * From text to tokens on disk: the passes after the check.
 *
 * Every whole document ends with the tokenizer's end-of-text id. A tokenizer
 * without one gets a blank line between documents instead. Where the split
 * cuts a document, nothing is added.
 *
 * @module
 */

import { writeFileSynced } from "../base/atomic_file.ts";
import type { LoadedTokenizer } from "../tokenizer/load.ts";
import { splitForEncoding, splitForTraining } from "../tokenizer/pieces.ts";
import { type Corpus, readParts, utf8Length } from "./corpus.ts";
import { writeFailure } from "./file_errors.ts";
import { type PreparedHeader, preparedPaths } from "./prepared.ts";
import { breather } from "./progress.ts";
import type { ReadOptions } from "./text_file.ts";
import { type TokenDtype, tokenDtype, TokenWriter } from "./token_file.ts";

/** Stands between documents where there is no end-of-text id. */
const SEPARATOR = "\n\n";

/** Both sides as they stand in the header. */
export type PreparedSides = Pick<PreparedHeader, "dtype" | "train" | "val">;

/** The training side of `corpus`, for the training of a tokenizer. */
export async function* trainingTexts(
  corpus: Corpus,
  options: ReadOptions,
): AsyncGenerator<string> {
  let documents = 0;
  for await (const part of readParts(corpus, options)) {
    if (part.side !== "train") continue;
    yield* splitForTraining(part.chunks);
    // A char vocabulary must know the separator if it will be needed.
    if (++documents === 2) yield SEPARATOR;
  }
}

/**
 * Writes train.bin, val.bin and tokenizer.json into `directory`.
 *
 * @returns Both sides, and how many characters a char vocabulary lacks.
 * @throws {UserError} When the disk is full or a file changed meanwhile.
 */
export async function writeTokens(
  corpus: Corpus,
  tokenizer: LoadedTokenizer,
  { directory, ...options }: ReadOptions & { directory: string },
): Promise<{ sides: PreparedSides; unknown: number }> {
  const paths = preparedPaths(directory);
  const dtype = tokenDtype(tokenizer.vocabSize);
  await using train = await SideWriter.create(paths.train, dtype, tokenizer);
  await using val = await SideWriter.create(paths.val, dtype, tokenizer);
  const breathe = breather(options.signal);
  for await (const part of readParts(corpus, options)) {
    const side = part.side === "train" ? train : val;
    for await (const text of splitForEncoding(tokenizer, part.chunks)) {
      await side.write(text);
      await breathe();
    }
    if (part.endsDocument) await side.endDocument();
  }
  await writeSynced(paths.tokenizer, tokenizer.json);
  return {
    sides: { dtype, train: await train.finish(), val: await val.finish() },
    unknown: train.unknown + val.unknown,
  };
}

/** Writes a small file to disk. @throws {UserError} When the disk is full. */
export async function writeSynced(path: string, text: string): Promise<void> {
  try {
    await writeFileSynced(path, text);
  } catch (error) {
    throw writeFailure(path, error);
  }
}

/** One of the two token files in the making. */
class SideWriter implements AsyncDisposable {
  #writer: TokenWriter;
  #tokenizer: LoadedTokenizer;
  #bytes = 0;
  /** Characters that are not in a char vocabulary. */
  unknown = 0;
  #separatorDue = false;

  private constructor(writer: TokenWriter, tokenizer: LoadedTokenizer) {
    this.#writer = writer;
    this.#tokenizer = tokenizer;
  }

  static async create(
    path: string,
    dtype: TokenDtype,
    tokenizer: LoadedTokenizer,
  ) {
    return new SideWriter(await TokenWriter.create(path, dtype), tokenizer);
  }

  /** Encodes the next piece of a document. */
  async write(text: string): Promise<void> {
    if (this.#separatorDue) await this.#encode(SEPARATOR);
    this.#separatorDue = false;
    await this.#encode(text);
  }

  async endDocument(): Promise<void> {
    const { endOfText } = this.#tokenizer;
    if (endOfText === null) this.#separatorDue = true;
    else await this.#writer.write(Uint32Array.of(endOfText));
  }

  async finish(): Promise<PreparedHeader["train"]> {
    return { ...await this.#writer.finish(), bytes: this.#bytes };
  }

  // deno-lint-ignore require-await -- disposal is asynchronous by contract
  async [Symbol.asyncDispose](): Promise<void> {
    this.#writer.close();
  }

  async #encode(text: string): Promise<void> {
    this.#bytes += utf8Length(text);
    // Other types know every text, or would have to encode it twice to count.
    if (this.#tokenizer.type === "char") {
      this.unknown += this.#tokenizer.countUnknown(text);
    }
    await this.#writer.write(this.#tokenizer.encode(text));
  }
}
