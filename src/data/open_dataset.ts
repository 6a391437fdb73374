/**
 * The way in: from the config's `data` and `tokenizer` to batches.
 *
 * Text is checked, a tokenizer is trained or loaded, tokens are written once
 * and found again the next time. Everything a user can get wrong is found
 * before the first file is made; what is made appears whole or not at all.
 *
 * @module
 */

import { join } from "node:path";
import { formatCount } from "../base/format.ts";
import type { DataSection, TokenizerSection } from "../config/schema.ts";
import { type LoadedTokenizer, loadTokenizer } from "../tokenizer/load.ts";
import { trainTokenizer } from "../tokenizer/train.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import {
  type Corpus,
  corpusBytes,
  corpusFiles,
  corpusNames,
} from "./corpus.ts";
import type { Dataset } from "./dataset.ts";
import {
  checkFingerprint,
  datasetFingerprint,
  sha256,
  textFingerprint,
} from "./fingerprint.ts";
import { checkTextLength, checkTokenCounts } from "./lengths.ts";
import { trainingTexts, writeSynced, writeTokens } from "./prepare.ts";
import {
  fileRecord,
  findDamage,
  listPrepared,
  type Prepared,
  preparedBytes,
  type PreparedHeader,
  preparedPaths,
  readPrepared,
  tokensDirectory,
} from "./prepared.ts";
import { type DataProgress, meter } from "./progress.ts";
import { readCorpus } from "./read_corpus.ts";
import { TokenFile } from "./token_file.ts";
import { countWindows, OrderedBatches, ShuffledBatches } from "./windows.ts";
import { removeLeftovers, Workspace } from "./workspace.ts";

/** What to open, and who listens. */
export interface OpenDatasetOptions {
  data: DataSection;
  tokenizer: TokenizerSection;
  seqLen: number;
  batchSize: number;
  /** Decides in place of `batchSize`, once the tokens are known. */
  chooseBatchSize?: (known: { vocabSize: number; windows: number }) => number;
  /** Of the shuffles alone; text, split and tokens do not depend on it. */
  seed: number;
  /** Prepared data sets are kept in `tokens/` below it. */
  dataDir: string;
  onProgress?: (progress: DataProgress) => void;
  /** One line about something the user may want to know. */
  onNotice?: (message: string) => void;
  /** Aborting rejects with its reason and leaves nothing half-written. */
  signal?: AbortSignal;
  /** The tokenizer of a checkpoint; then none is trained. */
  tokenizerJson?: string;
  /** `Dataset.fingerprint` of the run that is resumed. */
  expectFingerprint?: string;
}

/** An open data set, and where it came from. */
export interface OpenedDataset {
  dataset: Dataset;
  tokenizer: Tokenizer;
  prepared: Prepared;
  /** Nothing had to be prepared. */
  reused: boolean;
}

/**
 * Opens the data of a run, and prepares it where that was not done before.
 *
 * The caller closes the dataset.
 *
 * @throws {UserError} For sources that are missing, empty, not text or too
 * short, for data that is not what `expectFingerprint` says, and for a disk
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
  checkTextLength(corpus, options, names.train);

  // 2. The tokenizer, unless it has to be trained.
  const given = await givenTokenizer(options);
  const run = { expected: options.expectFingerprint, name: names.train };
  checkFingerprint({
    ...run,
    actual: given === null
      ? textFingerprint(corpus)
      : datasetFingerprint(corpus, given.fingerprint),
  });

  // 3. The tokens: those on disk if they are these and whole, else new ones.
  const key = tokenizerKey(corpus, options);
  const match = known.find(({ header }) =>
    given === null
      ? header.tokenizerKey === key
      : header.fingerprint === datasetFingerprint(corpus, given.fingerprint)
  );
  const found = match !== undefined && await isUsable(match, options)
    ? match
    : null;
  const { prepared, tokenizer } = found !== null
    ? {
      prepared: found,
      tokenizer: given ?? await storedTokenizer(found.directory),
    }
    : await prepareNow({ corpus, given, key, listedAtMs }, options);
  const { train, val } = prepared.header;
  checkTokenCounts({ train: train.tokens, val: val.tokens }, options, names);
  checkFingerprint({ ...run, actual: prepared.header.fingerprint });
  const batchSize = options.chooseBatchSize?.({
    vocabSize: tokenizer.vocabSize,
    windows: countWindows(train.tokens, options.seqLen),
  }) ?? options.batchSize;
  return {
    dataset: openBatches(prepared, { ...options, batchSize }),
    tokenizer,
    prepared,
    reused: found !== null,
  };
}

/** The tokenizer that needs no training, or null. */
async function givenTokenizer(
  { tokenizer, tokenizerJson }: OpenDatasetOptions,
): Promise<LoadedTokenizer | null> {
  if (tokenizerJson !== undefined) return await loadTokenizer(tokenizerJson);
  return tokenizer.type === "file" ? await trainTokenizer(tokenizer, []) : null;
}

/** Names the tokenizer that training would give, without training it. */
function tokenizerKey(
  corpus: Corpus,
  { tokenizer: { type, vocabSize } }: OpenDatasetOptions,
): string {
  return sha256(`${textFingerprint(corpus)} ${type} ${vocabSize}`);
}

/** Whether prepared tokens are whole. Damaged ones are removed, with a word. */
async function isUsable(
  prepared: Prepared,
  { onProgress, onNotice, signal }: OpenDatasetOptions,
): Promise<boolean> {
  const total = preparedBytes(prepared.header);
  const damage = await findDamage(prepared, {
    onBytes: meter({ phase: "read", total }, onProgress),
    signal,
  });
  if (damage === null) return true;
  onNotice?.(`prepared data is damaged and made again: ${damage}`);
  await Deno.remove(prepared.directory, { recursive: true });
  return false;
}

async function storedTokenizer(directory: string): Promise<Tokenizer> {
  const { tokenizer } = preparedPaths(directory);
  return await loadTokenizer(await Deno.readTextFile(tokenizer));
}

/** Trains the tokenizer if none is given, and writes the tokens. */
async function prepareNow(
  { corpus, given, key, listedAtMs }: {
    corpus: Corpus;
    given: LoadedTokenizer | null;
    key: string;
    listedAtMs: number;
  },
  options: OpenDatasetOptions,
): Promise<{ prepared: Prepared; tokenizer: Tokenizer }> {
  // 1. A place to write to; found out now, and not after the training.
  const parent = tokensDirectory(options.dataDir);
  await removeLeftovers(parent);
  await using workspace = await Workspace.create(parent);

  // 2. Tokens.
  const { signal, onProgress, onNotice } = options;
  const tokenizer = given ?? await trainOn(corpus, options);
  const { sides, unknown } = await writeTokens(corpus, tokenizer, {
    directory: workspace.directory,
    onBytes: meter({
      phase: "tokenize",
      total: corpusBytes(corpus),
    }, onProgress),
    signal,
  });
  if (unknown > 0) {
    onNotice?.(
      `${formatCount(unknown)} characters of the text are not in the ` +
        "tokenizer's vocabulary and were replaced",
    );
  }
  const tokens = { train: sides.train.tokens, val: sides.val.tokens };
  checkTokenCounts(tokens, options, corpusNames(corpus));

  // 3. The header, which makes it a prepared data set.
  const { type, vocabSize, fingerprint } = tokenizer;
  // That of a resumed run was trained on this very text, so it counts as such.
  const isTrained = given === null ||
    (options.expectFingerprint !== undefined &&
      options.tokenizer.type !== "file");
  const header: PreparedHeader = {
    version: 1,
    fingerprint: datasetFingerprint(corpus, fingerprint),
    tokenizerKey: isTrained ? key : null,
    tokenizer: { type, vocabSize, fingerprint },
    sources: corpus.train.map(({ name }) => name),
    valSources: corpus.val?.map(({ name }) => name) ?? null,
    valFraction: corpus.valFraction,
    files: corpusFiles(corpus).map(fileRecord),
    listedAtMs,
    ...sides,
  };
  const { header: path } = preparedPaths(workspace.directory);
  await writeSynced(path, JSON.stringify(header, null, 1));
  signal?.throwIfAborted();

  // 4. What is there already was made at the same time by another process, or
  // is of another version of this program.
  const name = sha256(header.fingerprint).slice(0, 16);
  const directory = join(parent, name);
  const published = await workspace.publish(name);
  if (!published && await readPrepared(directory) === null) {
    await Deno.remove(directory, { recursive: true });
    await workspace.publish(name);
  }
  return { prepared: { directory, header }, tokenizer };
}

async function trainOn(
  corpus: Corpus,
  { tokenizer, onProgress, signal }: OpenDatasetOptions,
): Promise<LoadedTokenizer> {
  const total = corpusBytes(corpus);
  const onBytes = meter({ phase: "tokenizer", total }, onProgress);
  const texts = trainingTexts(corpus, { onBytes, signal });
  return await trainTokenizer(tokenizer, texts, {
    signal,
    onProgress(progress) {
      if (progress.phase !== "merging") return;
      const { vocabSize: done, targetVocabSize: total } = progress;
      onProgress?.({ phase: "tokenizer", done, total });
    },
  });
}

function openBatches(
  { directory, header }: Prepared,
  { seqLen, batchSize, seed }: OpenDatasetOptions,
): Dataset {
  const paths = preparedPaths(directory);
  const { dtype, train, val, fingerprint } = header;
  const trainFile = new TokenFile(paths.train, { tokens: train.tokens, dtype });
  const valFile = new TokenFile(paths.val, { tokens: val.tokens, dtype });
  return {
    train: new ShuffledBatches(trainFile, { seqLen, batchSize }, seed),
    val: new OrderedBatches(valFile, { seqLen, batchSize }),
    fingerprint,
    valBytesPerToken: val.bytes / val.tokens,
    close() {
      trainFile.close();
      valFile.close();
    },
  };
}
