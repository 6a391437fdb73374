/**
 * The way in: from the config's `data` and `tokenizer` to batches.
 *
 * Text is checked, a tokenizer is trained or loaded, tokens are written once
 * and found again the next time. Everything a user can get wrong is found
 * before the first file is made; what is made appears whole or not at all.
 *
 * @module
 */

import { LARGE_FILE_BYTES, readLimitedText } from "../base/limited_file.ts";
import { textSha256 } from "../base/sha256.ts";
import type { DataSection } from "../config/hearth_config.ts";
import { type LoadedTokenizer, loadTokenizer } from "../tokenizer/load.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import { trainTokenizer } from "../tokenizer/train.ts";
import { openBatches } from "./batches/open_batches.ts";
import { countWindows } from "./batches/windows.ts";
import {
  type Corpus,
  corpusNames,
  type CorpusPart,
  corpusParts,
} from "./corpus.ts";
import type { Dataset } from "./dataset.ts";
import {
  checkFingerprint,
  datasetFingerprint,
  type DatasetIdentity,
  partFingerprint,
  sourceIdentities,
  textFingerprint,
} from "./fingerprint.ts";
import { checkTextLength, checkTokenCounts } from "./lengths.ts";
import { meter } from "./progress.ts";
import { readCorpus } from "./read_corpus.ts";
import { type PrepareOptions, prepareTokens } from "./tokens/prepare_tokens.ts";
import { findDamage } from "./tokens/prepared_damage.ts";
import {
  listPrepared,
  type Prepared,
  preparedBytes,
  preparedPaths,
} from "./tokens/prepared_tokens.ts";

/** What to open, and who listens. */
export interface OpenDatasetOptions extends PrepareOptions {
  data: DataSection;
  /** Opens `valDataset` alone, to measure a model; `train` is then empty. */
  valOnly?: boolean;
  /** Decides in place of `batchSize`, once the tokens are known. */
  chooseBatchSize?: (known: { vocabSize: number; windows: number }) => number;
  /** Of the shuffles alone; text, split and tokens do not depend on it. */
  seed: number;
  /** Download the newest version, even if one is here. */
  refresh?: boolean;
  /** The tokenizer of a checkpoint; then none is trained. */
  tokenizerJson?: string;
  /** `Dataset.identity` of the run that is resumed. */
  expect?: DatasetIdentity;
}

/** An open data set, and where it came from. */
export interface OpenedDataset {
  dataset: Dataset;
  tokenizer: Tokenizer;
  /** Of each source, those of training first. */
  prepared: Prepared[];
  /** Nothing had to be prepared. */
  reused: boolean;
}

/**
 * Opens the data of a run, and prepares it where that was not done before.
 *
 * The caller closes the dataset.
 *
 * @throws {UserError} For sources that are missing, empty, not text or too
 * short, for data that is not what `expect` says, and for a disk
 * that is full.
 */
export async function openDataset(
  options: OpenDatasetOptions,
): Promise<OpenedDataset> {
  // 1. The text: listed, then read once, unless it was read before.
  const listedAtMs = Date.now();
  const known = await listPrepared(options.dataDir);
  const corpus = await readCorpus(options, known);
  const names = corpusNames(corpus);
  checkTextLength(corpus, options);

  // 2. The tokenizer, unless it has to be trained.
  const key = tokenizerKey(corpus, options);
  const given = await givenTokenizer(options) ??
    await knownTokenizer(known, key);
  const run = { expected: options.expect, corpus, name: names.train };
  checkFingerprint({
    ...run,
    actual: given === null
      ? textFingerprint(corpus)
      : datasetFingerprint(corpus, given.fingerprint),
  });

  // 3. The tokens: those on disk if they are these and whole, else new ones.
  const parts = corpusParts(corpus);
  const found = await findTokens({ parts, known, given, key }, options);
  const { tokenizer, prepared } = given !== null && isComplete(found)
    ? { tokenizer: given, prepared: found }
    : await prepareTokens({
      parts,
      found,
      given,
      key: isTrained(options) ? key : null,
      listedAtMs,
      checkCounts: (headers) => checkTokenCounts(headers, corpus, options),
    }, options);
  checkTokenCounts(prepared.map(({ header }) => header), corpus, options);
  const identity = {
    fingerprint: datasetFingerprint(corpus, tokenizer.fingerprint),
    sources: sourceIdentities(corpus),
  };
  checkFingerprint({ ...run, actual: identity.fingerprint });

  // 4. Batches of them.
  const { vocabSize } = tokenizer;
  const opening = { ...options, weights: corpus.weights, identity, vocabSize };
  const train = prepared.slice(0, corpus.train.length);
  const val = corpus.val === null ? train : prepared.slice(train.length);
  const batchSize = options.chooseBatchSize?.({
    vocabSize,
    windows: train.reduce(
      (sum, { header }) =>
        sum + countWindows(header.train.tokens, options.seqLen),
      0,
    ),
  }) ?? options.batchSize;
  return {
    dataset: openBatches({ train, val }, { ...opening, batchSize }),
    tokenizer,
    prepared,
    reused: isComplete(found),
  };
}

/** The tokenizer that needs no training, or null. */
async function givenTokenizer(
  { tokenizer, tokenizerJson }: OpenDatasetOptions,
): Promise<LoadedTokenizer | null> {
  if (tokenizerJson !== undefined) return await loadTokenizer(tokenizerJson);
  const readsText = tokenizer.type === "bpe" || tokenizer.type === "char";
  return readsText ? null : await trainTokenizer(tokenizer, []);
}

/** Names the tokenizer that training would give, without training it. */
function tokenizerKey(
  corpus: Corpus,
  { tokenizer: { type, vocabSize } }: OpenDatasetOptions,
): string {
  const text = textFingerprint({ ...corpus, weights: null });
  return textSha256(`${text} ${type} ${vocabSize}`);
}

/** That of a resumed run was trained on this very text, so it counts as such. */
function isTrained(
  { tokenizer, tokenizerJson, expect }: OpenDatasetOptions,
): boolean {
  return tokenizer.type !== "file" &&
    (tokenizerJson === undefined || expect !== undefined);
}

/** The tokenizer that was trained for tokens on disk, or null. */
async function knownTokenizer(
  known: readonly Prepared[],
  key: string,
): Promise<LoadedTokenizer | null> {
  for (const { directory, header } of known) {
    if (header.tokenizerKey !== key) continue;
    const path = preparedPaths(directory).tokenizer;
    const json = await readLimitedText(path, LARGE_FILE_BYTES)
      .catch(() => "");
    // A damaged one is found out and said when its tokens are looked at.
    if (textSha256(json) === header.tokenizer.fingerprint) {
      return await loadTokenizer(json, { type: header.tokenizer.type });
    }
  }
  return null;
}

/**
 * The prepared tokens of each part, or null. Damaged ones are removed, with a
 * word.
 */
async function findTokens(
  { parts, known, given, key }: {
    parts: readonly CorpusPart[];
    known: readonly Prepared[];
    given: LoadedTokenizer | null;
    key: string;
  },
  options: OpenDatasetOptions,
): Promise<(Prepared | null)[]> {
  const usable = new Map<string, boolean>();
  const isGood = async (prepared: Prepared) => {
    const { directory } = prepared;
    const { vocabSize } = given ?? prepared.header.tokenizer;
    const checked = usable.get(directory) ??
      await isUsable(prepared, { ...options, vocabSize });
    usable.set(directory, checked);
    return checked;
  };
  if (given === null) {
    // Those whose tokenizer should have been found, and was not.
    for (const prepared of known) {
      if (prepared.header.tokenizerKey === key) await isGood(prepared);
    }
    return parts.map(() => null);
  }
  const found: (Prepared | null)[] = [];
  for (const part of parts) {
    const fingerprint = partFingerprint(part, given.fingerprint);
    const match = known.find(({ header }) =>
      header.fingerprint === fingerprint
    );
    found.push(match !== undefined && await isGood(match) ? match : null);
  }
  return found;
}

function isComplete(found: (Prepared | null)[]): found is Prepared[] {
  return found.every((prepared) => prepared !== null);
}

/** Whether prepared tokens are whole. Damaged ones are removed, with a word. */
async function isUsable(
  prepared: Prepared,
  { vocabSize, onProgress, onNotice, signal }:
    & Pick<OpenDatasetOptions, "onProgress" | "onNotice" | "signal">
    & { vocabSize: number },
): Promise<boolean> {
  const total = preparedBytes(prepared.header);
  const damage = await findDamage(prepared, {
    vocabSize,
    onBytes: meter({ phase: "read", total }, onProgress),
    signal,
  });
  if (damage === null) return true;
  onNotice?.(`prepared data is damaged and made again: ${damage}`);
  await Deno.remove(prepared.directory, { recursive: true });
  return false;
}
