/**
 * From text to tokens on disk: the passes after the check.
 *
 * Text flows through in batches: read here, encoded in threads, written in
 * order. What is in memory does not depend on how much text there is.
 *
 * @module
 */

import { writeFileSynced } from "../../base/atomic_file.ts";
import { splitForTraining } from "../../tokenizer/pieces.ts";
import { type CorpusPart, readPassages } from "../corpus.ts";
import { writeFailure } from "../file_errors.ts";
import type { ReadOptions } from "../text/file_bytes.ts";
import {
  type Encoder,
  EncodingWriter,
  SEPARATOR,
  writePassages,
} from "./encoding_writer.ts";
import { type PreparedHeader, preparedPaths } from "./prepared_tokens.ts";
import { tokenDtype } from "./token_file.ts";

/** Both sides as they stand in the header. */
export type PreparedSides = Pick<PreparedHeader, "dtype" | "train" | "val">;

/** The training text of `parts`, for the training of a tokenizer. */
export async function* trainingTexts(
  parts: readonly CorpusPart[],
  options: ReadOptions,
): AsyncGenerator<string> {
  let documents = 0;
  for (const part of parts.filter(({ valFraction }) => valFraction < 1)) {
    for await (const { side, chunks } of readPassages(part, options)) {
      if (side !== "train") continue;
      yield* splitForTraining(chunks);
      // A char vocabulary must know the separator if it will be needed.
      if (++documents === 2) yield SEPARATOR;
    }
  }
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
  await using train = await EncodingWriter.create(paths.train, encoder);
  await using val = await EncodingWriter.create(paths.val, encoder);
  await writePassages(part, (side) => side === "train" ? train : val, options);
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
