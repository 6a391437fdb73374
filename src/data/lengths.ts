/**
 * Is there enough text for one batch?
 *
 * @module
 */

import { EXIT, UserError } from "../base/errors.ts";
import { formatCount } from "../base/format.ts";
import {
  type BatchShape,
  countWindows,
  windowTokens,
} from "./batches/windows.ts";
import { type Corpus, corpusNames, corpusParts, textBytes } from "./corpus.ts";
import type { PreparedHeader } from "./tokens/prepared_tokens.ts";

/**
 * Most tokens that a byte of text can become: a document of one byte, and two
 * line feeds after it.
 */
const TOKENS_PER_BYTE = 3;

/** Refuses text that is hopelessly short, before anything is made from it. */
export function checkTextLength(
  corpus: Corpus,
  { batchSize, seqLen }: BatchShape,
): void {
  const bytes = corpusParts(corpus)
    .reduce((sum, { source }) => sum + textBytes(source), 0);
  const { train, val } = corpusNames(corpus);
  const isMeasured = corpus.train.length === 0;
  const needed = windowTokens(isMeasured ? 1 : batchSize, seqLen);
  if (bytes * TOKENS_PER_BYTE >= needed) return;
  const [what, unit] = isMeasured
    ? [`validate on "${val}"`, "one sequence"]
    : [`make one batch from "${train}"`, "a batch"];
  throw new UserError(
    `Cannot ${what}: it has ${formatCount(bytes)} bytes of text, ` +
      `${unit} needs ${formatCount(needed)} tokens`,
    {
      hint: "give more text, or use --dataset sample",
      exitCode: EXIT.usage,
    },
  );
}

/** Whether the sources so far make a training batch and a validation one. */
export function hasEnoughTokens(
  headers: readonly PreparedHeader[],
  { batchSize, seqLen }: BatchShape,
): boolean {
  const windows = (side: "train" | "val") =>
    headers.reduce(
      (sum, header) => sum + countWindows(header[side].tokens, seqLen),
      0,
    );
  return windows("train") >= batchSize && windows("val") > 0;
}

/**
 * Refuses data that has no full training batch or no validation window. Text
 * that is only measured needs no training batch.
 *
 * @param headers Of all parts of `corpus`.
 */
export function checkTokenCounts(
  headers: readonly PreparedHeader[],
  corpus: Corpus,
  { batchSize, seqLen }: BatchShape,
): void {
  const names = corpusNames(corpus);
  const train = headers.slice(0, corpus.train.length);
  const val = corpus.val === null ? train : headers.slice(train.length);
  const count = (side: "train" | "val", of: readonly PreparedHeader[]) => ({
    tokens: of.reduce((sum, header) => sum + header[side].tokens, 0),
    windows: of.reduce(
      (sum, header) => sum + countWindows(header[side].tokens, seqLen),
      0,
    ),
  });

  const trained = count("train", train);
  if (train.length > 0 && trained.windows < batchSize) {
    const part = names.val === null ? "its training part" : "it";
    throw new UserError(
      `Cannot make one batch from "${names.train}": ${part} has ` +
        `${formatCount(trained.tokens)} tokens, a batch needs ` +
        formatCount(windowTokens(batchSize, seqLen)),
      {
        hint: trained.windows > 0
          ? `give more text, or use --batch-size ${trained.windows}`
          : "give more text, or use a smaller --seq-len and --batch-size",
        exitCode: EXIT.usage,
      },
    );
  }
  const short = corpus.weights &&
    train.find((header) => countWindows(header.train.tokens, seqLen) === 0);
  if (short) {
    throw new UserError(
      `Cannot mix "${short.source}": it has ` +
        `${formatCount(short.train.tokens)} tokens to train on, one sequence ` +
        `needs ${formatCount(windowTokens(1, seqLen))}`,
      {
        hint: "give more text, leave it out, or use a smaller --seq-len",
        exitCode: EXIT.usage,
      },
    );
  }
  const validated = count("val", val);
  if (validated.windows === 0) {
    const part = names.val === null ? "its validation part" : "it";
    throw new UserError(
      `Cannot validate on "${names.val ?? names.train}": ${part} has ` +
        `${formatCount(validated.tokens)} tokens, one sequence needs ` +
        formatCount(windowTokens(1, seqLen)),
      {
        hint: names.val === null
          ? "give more text, a larger --val-fraction or a --val-dataset"
          : train.length > 0
          ? "give more text, or use a smaller --seq-len"
          : "give more text",
        exitCode: EXIT.usage,
      },
    );
  }
}
