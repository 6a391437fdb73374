/**
 * What a data set is, in 64 hex digits that also tell what changed.
 *
 * Digits 0-31 stand for the text, 32-39 for the split into train and
 * validation, 40-47 for the weights of a mix, 48-63 for the tokenizer: each
 * the start of a sha256. Paths and times are not part of it, so a copied or
 * touched file is the same data. A prepared source has a fingerprint of the
 * same form, for tokens do not depend on weights or on other sources.
 *
 * @module
 */

import { EXIT, UserError } from "../base/errors.ts";
import { formatCount, formatUnequalBytes } from "../base/format.ts";
import { textSha256 } from "../base/sha256.ts";
import {
  type Corpus,
  type CorpusPart,
  corpusParts,
  sourceFingerprint,
  textBytes,
} from "./corpus.ts";

/**
 * Counts up when the same text gives other tokens on disk, or the same tokens
 * another order in training: another way of cutting, joining or shuffling.
 */
const DATA_VERSION = 2;

/** A source as a run remembers it. */
export interface SourceIdentity {
  /** As the user named it. */
  name: string;
  /** Whether it is for training (and validation in part), or validation. */
  side: "train" | "val";
  /** In a mix; null if sources are read whole. */
  weight: number | null;
  /** sha256 (hex) of its text. */
  fingerprint: string;
  /** UTF-8 bytes. */
  textBytes: number;
}

/** What a run remembers of its data. */
export interface DatasetIdentity {
  /** As `Dataset.fingerprint`. */
  fingerprint: string;
  /** Not known of runs of version 0.1. */
  sources?: readonly SourceIdentity[];
}

/** The sources of `corpus`, to know them again. */
export function sourceIdentities(corpus: Corpus): SourceIdentity[] {
  return corpusParts(corpus).map(({ source }, i) => ({
    name: source.name,
    side: i < corpus.train.length ? "train" : "val",
    weight: i < corpus.train.length ? corpus.weights?.[i] ?? null : null,
    fingerprint: sourceFingerprint(source),
    textBytes: textBytes(source),
  }));
}

/** The first 48 digits: all but the tokenizer. */
export function textFingerprint(corpus: Corpus): string {
  const { train, val, valFraction, weights } = corpus;
  const texts = [train, val].map((side) => side?.map(sourceFingerprint));
  return textSha256(`${DATA_VERSION} ${JSON.stringify(texts)}`).slice(0, 32) +
    textSha256(String(valFraction)).slice(0, 8) +
    textSha256(JSON.stringify(weights)).slice(0, 8);
}

/** All 64 digits. @param tokenizer The tokenizer's fingerprint. */
export function datasetFingerprint(corpus: Corpus, tokenizer: string): string {
  return textFingerprint(corpus) + textSha256(tokenizer).slice(0, 16);
}

/** Of one source with its tokens. @param tokenizer Its fingerprint. */
export function partFingerprint(
  { source, valFraction }: CorpusPart,
  tokenizer: string,
): string {
  return textSha256(`${DATA_VERSION} ${sourceFingerprint(source)}`).slice(
    0,
    32,
  ) +
    textSha256(String(valFraction)).slice(0, 8) +
    textSha256("null").slice(0, 8) +
    textSha256(tokenizer).slice(0, 16);
}

/**
 * Makes sure that a run goes on with the data it began with.
 *
 * @throws {UserError} Saying which part is another one.
 */
export function checkFingerprint(
  { expected, actual, corpus, name }: {
    /** Of the run; undefined for a new one, which may use any data. */
    expected: DatasetIdentity | undefined;
    /** Without the last digits while the tokenizer is still to be trained. */
    actual: string;
    corpus: Corpus;
    /** The dataset as the user named it. */
    name: string;
  },
): void {
  const before = expected?.fingerprint;
  if (before === undefined || before.startsWith(actual)) return;
  const differs = (from: number, to: number) =>
    before.slice(from, to) !== actual.slice(from, to);
  const what = differs(0, 32)
    ? textChange(expected?.sources, sourceIdentities(corpus))
    : differs(32, 40)
    ? "the split into training and validation changed"
    : differs(40, 48)
    ? weightChange(expected?.sources, sourceIdentities(corpus))
    : "the tokenizer changed";
  throw new UserError(`Cannot continue with dataset "${name}": ${what}`, {
    hint: "bring back the data the run began with, or start a new run with " +
      "hearth train",
    exitCode: EXIT.usage,
  });
}

/** The first difference between the texts of then and now. */
function textChange(
  before: readonly SourceIdentity[] | undefined,
  now: readonly SourceIdentity[],
): string {
  if (before === undefined) return "its text changed";
  const texts = (all: readonly SourceIdentity[]) =>
    all.map(({ side, fingerprint }) => `${side} ${fingerprint}`);
  const then = texts(before), today = texts(now);
  if (then.join() === today.join()) {
    return "this version of Hearth orders it in another way";
  }
  if (then.toSorted().join() === today.toSorted().join()) {
    return "its sources come in another order";
  }
  const names = (all: readonly SourceIdentity[]) =>
    all.map(({ name }) => `"${name}"`).join(", ");
  if (before.length !== now.length) {
    return `it was ${formatCount(before.length)} sources, ${names(before)}, ` +
      `and is ${formatCount(now.length)}, ${names(now)}`;
  }
  const at = then.findIndex((text, i) => text !== today[i]);
  const was = before[at], is = now[at];
  if (was.name !== is.name) {
    return now.length === 1
      ? `its text is not that of "${was.name}"`
      : `"${is.name}" has another text than "${was.name}" had`;
  }
  const [wasSize, isSize] = formatUnequalBytes(was.textBytes, is.textBytes);
  const size = was.textBytes === is.textBytes
    ? "of the same size"
    : `${wasSize} then, ${isSize} now`;
  return now.length === 1
    ? `its text changed, ${size}`
    : `the text of "${is.name}" changed, ${size}`;
}

function weightChange(
  before: readonly SourceIdentity[] | undefined,
  now: readonly SourceIdentity[],
): string {
  const list = (all: readonly SourceIdentity[]) =>
    all.filter(({ side }) => side === "train")
      .map(({ weight }) => weight ?? "none").join(", ");
  return before === undefined
    ? "the weights changed"
    : `the weights changed from ${list(before)} to ${list(now)}`;
}
