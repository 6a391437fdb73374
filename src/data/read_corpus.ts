/**
 * From the config's `data` to checked text.
 *
 * Every file is read once in whole, which takes its checksum and finds what is
 * not text. A file known from an earlier preparation, by path, size and time,
 * is not read again: its checksum is what counts, and that is on record.
 *
 * @module
 */

import { EXIT, UserError } from "../base/errors.ts";
import type { DataSection } from "../config/hearth_config.ts";
import {
  type CheckedSource,
  checkSources,
  type Corpus,
  splitFiles,
} from "./corpus.ts";
import { meter } from "./progress.ts";
import type { FetchOptions } from "./sources/fetch_options.ts";
import { resolveSources } from "./sources/resolve_sources.ts";
import { mixWeights, weightedSources } from "./sources/weights.ts";
import { fileKey, type TextFile } from "./text/file_bytes.ts";
import type { FileRecord, Prepared } from "./tokens/prepared_tokens.ts";

/** Who listens while text is read. */
export interface ReadCorpusOptions extends FetchOptions {
  data: DataSection;
  /** Leaves out what would be trained on: to measure a model on a text. */
  valOnly?: boolean;
}

/**
 * All text that `data` names, checked.
 *
 * @throws {UserError} For sources that are missing, empty or not text.
 */
export async function readCorpus(
  options: ReadCorpusOptions,
  prepared: Prepared[],
): Promise<Corpus> {
  const { data, valOnly = false, onProgress, onNotice, signal } = options;
  const weights = valOnly ? null : mixWeights(weightedSources(data.dataset));
  refuseWeights(data.valDataset);
  const train = valOnly ? [] : await resolveSources(data.dataset, options);
  const val = data.valDataset === undefined
    ? null
    : await resolveSources(data.valDataset, options);

  const records = knownFiles(prepared);
  const known = (file: TextFile) => {
    const record = records.get(fileKey(file));
    const same = record?.sizeBytes === file.sizeBytes &&
      record.mtimeMs === file.mtimeMs;
    // A download is never written to again, however young it is.
    const isSettled = record?.isSettled || record?.sha256 === file.sha256;
    if (!same || !isSettled) return null;
    const { sha256, textBytes } = record!;
    return { sha256, textBytes };
  };
  const total = [...train, ...val ?? []]
    .flatMap((source) => source.kind === "files" ? source.files : [])
    .filter((file) => known(file) === null)
    .reduce((sum, file) => sum + file.sizeBytes, 0);
  const checking = {
    known,
    signal,
    onBytes: meter({ phase: "read", total }, onProgress),
  };
  const corpus: Corpus = {
    train: await checkSources(train, checking),
    weights,
    val: val && await checkSources(val, checking),
    valFraction: val === null ? data.valFraction : null,
  };
  for (const name of sharedNames(corpus)) {
    onNotice?.(
      `"${name}" is both training and validation text: valLoss will not tell ` +
        "how the model does on new text",
    );
  }
  return corpus;
}

/** Validation text is read whole: a weight there would mean nothing. */
function refuseWeights(setting: DataSection["valDataset"]): void {
  if (setting === undefined) return;
  const weighted = weightedSources(setting).find(({ weight }) => weight);
  if (weighted === undefined) return;
  const { source, weight } = weighted;
  throw new UserError(
    `Cannot use weight ${weight} of validation text "${source}": it is read ` +
      "whole",
    { hint: "weights belong to --dataset", exitCode: EXIT.usage },
  );
}

/** A file of an earlier preparation. */
type KnownFile = FileRecord & { isSettled: boolean };

/**
 * Files of earlier preparations by path. One that changed within two seconds
 * of its listing is not trusted: a later change of the same size may have left
 * the same time, as some file systems count whole seconds.
 */
function knownFiles(prepared: Prepared[]): Map<string, KnownFile> {
  const records = new Map<string, KnownFile>();
  for (const { header } of prepared) {
    for (const file of header.files) {
      const isSettled = file.mtimeMs < header.listedAtMs - 2000;
      if (!isSettled && records.get(file.path)?.isSettled) continue;
      records.set(file.path, { ...file, isSettled });
    }
  }
  return records;
}

/** Sources of the validation side that the training side has too. */
function sharedNames({ train, val }: Corpus): string[] {
  const content = (source: CheckedSource, valFraction: 0 | 1) =>
    source.kind === "sample"
      ? ["sample"]
      : splitFiles({ source, valFraction }).map(({ file }) => file.sha256);
  const trained = new Set(train.flatMap((source) => content(source, 0)));
  return (val ?? [])
    .filter((source) => content(source, 1).some((part) => trained.has(part)))
    .map(({ name }) => name);
}
