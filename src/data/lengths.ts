/**
 * Is there enough text for one batch?
 *
 * @module
 */

import { EXIT, UserError } from "../base/errors.ts";
import { formatCount } from "../base/format.ts";
import { type Corpus, corpusTextBytes } from "./corpus.ts";
import { type BatchShape, countWindows, windowTokens } from "./windows.ts";

/**
 * Most tokens that a byte of text can become: a document of one byte, and two
 * line feeds after it.
 */
const TOKENS_PER_BYTE = 3;

/**
 * Refuses text that is hopelessly short, before anything is made from it.
 *
 * @param name The dataset as the user named it.
 */
export function checkTextLength(
  corpus: Corpus,
  shape: BatchShape,
  name: string,
): void {
  const bytes = corpusTextBytes(corpus);
  const needed = windowTokens(shape.batchSize, shape.seqLen);
  if (bytes * TOKENS_PER_BYTE >= needed) return;
  throw new UserError(
    `Cannot make one batch from "${name}": it has ${formatCount(bytes)} ` +
      `bytes of text, a batch needs ${formatCount(needed)} tokens`,
    {
      hint: "give more text, or use --dataset sample",
      exitCode: EXIT.usage,
    },
  );
}

/** Refuses data that has no full training batch or no validation window. */
export function checkTokenCounts(
  tokens: { train: number; val: number },
  { batchSize, seqLen }: BatchShape,
  names: { train: string; val: string | null },
): void {
  const windows = countWindows(tokens.train, seqLen);
  if (windows < batchSize) {
    const part = names.val === null ? "its training part" : "it";
    throw new UserError(
      `Cannot make one batch from "${names.train}": ${part} has ` +
        `${formatCount(tokens.train)} tokens, a batch needs ` +
        formatCount(windowTokens(batchSize, seqLen)),
      {
        hint: windows > 0
          ? `give more text, or use --batch-size ${windows}`
          : "give more text, or use a smaller --seq-len and --batch-size",
        exitCode: EXIT.usage,
      },
    );
  }
  if (countWindows(tokens.val, seqLen) === 0) {
    const part = names.val === null ? "its validation part" : "it";
    throw new UserError(
      `Cannot validate on "${names.val ?? names.train}": ${part} has ` +
        `${formatCount(tokens.val)} tokens, one sequence needs ` +
        formatCount(windowTokens(1, seqLen)),
      {
        hint: names.val === null
          ? "give more text, a larger --val-fraction or a --val-dataset"
          : "give more text, or use a smaller --seq-len",
        exitCode: EXIT.usage,
      },
    );
  }
}
