/**
 * What a data set is, in 64 hex digits that also tell what changed.
 *
 * Digits 0-31 stand for the text, 32-47 for the split into train and
 * validation, 48-63 for the tokenizer: each the start of a sha256. Paths and
 * times are not part of it, so a copied or touched file is the same data.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { EXIT, UserError } from "../base/errors.ts";
import { type Corpus, corpusFingerprint } from "./corpus.ts";

/**
 * Counts up when the same text gives other tokens on disk: another way of
 * cutting it, of joining documents, or of storing ids.
 */
const TOKENS_VERSION = 1;

/** sha256 (hex) of a text. */
export function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** The first 48 digits: all but the tokenizer. */
export function textFingerprint(corpus: Corpus): string {
  const text = sha256(`${TOKENS_VERSION} ${corpusFingerprint(corpus)}`);
  const split = sha256(String(corpus.valFraction));
  return text.slice(0, 32) + split.slice(0, 16);
}

/** All 64 digits. @param tokenizer The tokenizer's fingerprint. */
export function datasetFingerprint(corpus: Corpus, tokenizer: string): string {
  return textFingerprint(corpus) + sha256(tokenizer).slice(0, 16);
}

/**
 * Makes sure that a run goes on with the data it began with.
 *
 * @throws {UserError} Saying which part is another one.
 */
export function checkFingerprint(
  { expected, actual, name }: {
    /** Of the run; undefined for a new one, which may use any data. */
    expected: string | undefined;
    /** Without the last digits while the tokenizer is still to be trained. */
    actual: string;
    /** The dataset as the user named it. */
    name: string;
  },
): void {
  if (expected === undefined || expected.startsWith(actual)) return;
  const differs = (from: number, to: number) =>
    expected.slice(from, to) !== actual.slice(from, to);
  const what = differs(0, 32)
    ? "its text changed"
    : differs(32, 48)
    ? "the split into training and validation changed"
    : "the tokenizer changed";
  throw new UserError(`Cannot continue with dataset "${name}": ${what}`, {
    hint: "bring back the data the run began with, or start a new run with " +
      "hearth train",
    exitCode: EXIT.usage,
  });
}
