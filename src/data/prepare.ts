/**
 * From text to tokens on disk: the passes after the check.
 *
 * Text flows through in batches: read here, encoded in threads, written in
 * order. What is in memory does not depend on how much text there is.
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
import { BatchBuilder } from "../tokenizer/text_batch.ts";
import type { EncodedBatch } from "../tokenizer/text_job.ts";
import type { TextPool } from "../tokenizer/text_pool.ts";
import { type CorpusPart, readParts } from "./corpus.ts";
import { writeFailure } from "./file_errors.ts";
import { type PreparedHeader, preparedPaths } from "./prepared.ts";
import { breather } from "./progress.ts";
import type { ReadOptions } from "./text_file.ts";
import { type TokenDtype, tokenDtype, TokenWriter } from "./token_file.ts";

/** Stands between documents where there is no end-of-text id. */
const SEPARATOR = "\n\n";

/** Batches whose ids may wait to be written, some 1 MB of text each. */
const WAITING_BATCHES = 8;

/** Both sides as they stand in the header. */
export type PreparedSides = Pick<PreparedHeader, "dtype" | "train" | "val">;

/** The training text of `parts`, for the training of a tokenizer. */
export async function* trainingTexts(
  parts: readonly CorpusPart[],
  options: ReadOptions,
): AsyncGenerator<string> {
  let documents = 0;
  for (const part of parts.filter(({ valFraction }) => valFraction < 1)) {
    for await (const { side, chunks } of readParts(part, options)) {
      if (side !== "train") continue;
      yield* splitForTraining(chunks);
      // A char vocabulary must know the separator if it will be needed.
      if (++documents === 2) yield SEPARATOR;
    }
  }
}

/** Encodes texts with one tokenizer. */
export interface Encoder {
  tokenizer: LoadedTokenizer;
  /** Of threads that have that tokenizer. */
  pool: TextPool<"encode">;
}

/**
 * Writes train.bin, val.bin and tokenizer.json into `directory`.
 *
 * @returns Both sides, and how many characters a char vocabulary lacks.
 * @throws {UserError} When the disk is full or a file changed meanwhile.
 */
export async function writeTokens(
  part: CorpusPart,
  encoder: Encoder,
  { directory, ...options }: ReadOptions & { directory: string },
): Promise<{ sides: PreparedSides; unknown: number }> {
  const { tokenizer } = encoder;
  const paths = preparedPaths(directory);
  const dtype = tokenDtype(tokenizer.vocabSize);
  await using train = await SideWriter.create(paths.train, dtype, encoder);
  await using val = await SideWriter.create(paths.val, dtype, encoder);
  const breathe = breather(options.signal);
  for await (const { side, chunks, endsDocument } of readParts(part, options)) {
    const writer = side === "train" ? train : val;
    for await (const text of splitForEncoding(tokenizer, chunks)) {
      await writer.write(text);
      await breathe();
    }
    if (endsDocument) writer.endDocument();
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
  #endOfText: number | null;
  #batches: BatchBuilder;
  /** What is being encoded and written, in order. */
  #waiting: Promise<void>[] = [];
  #bytes = 0;
  /** Characters that are not in a char vocabulary. */
  unknown = 0;
  #separatorDue = false;

  private constructor(writer: TokenWriter, { tokenizer, pool }: Encoder) {
    this.#writer = writer;
    this.#endOfText = tokenizer.endOfText;
    this.#batches = new BatchBuilder(async (batch) => {
      const { result } = await pool.submit(batch);
      await this.#append(result);
    });
  }

  static async create(path: string, dtype: TokenDtype, encoder: Encoder) {
    return new SideWriter(await TokenWriter.create(path, dtype), encoder);
  }

  /** Encodes the next piece of a document. */
  async write(text: string): Promise<void> {
    if (this.#separatorDue) this.#bytes += await this.#batches.add(SEPARATOR);
    this.#separatorDue = false;
    this.#bytes += await this.#batches.add(text);
  }

  endDocument(): void {
    if (this.#endOfText === null) this.#separatorDue = true;
    else this.#batches.endDocument();
  }

  async finish(): Promise<PreparedHeader["train"]> {
    await this.#batches.flush();
    await Promise.all(this.#waiting);
    return { ...await this.#writer.finish(), bytes: this.#bytes };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled(this.#waiting);
    this.#writer.close();
  }

  /** Writes the ids of a batch after those before it. */
  async #append(result: Promise<EncodedBatch>): Promise<void> {
    const before = this.#waiting.at(-1);
    const written = (async () => {
      await before;
      const { ids, unknown } = await result;
      this.unknown += unknown;
      await this.#writer.write(ids);
    })();
    written.catch(() => {}); // whoever waits for it sees the failure
    this.#waiting.push(written);
    if (this.#waiting.length > WAITING_BATCHES) await this.#waiting.shift();
  }
}
