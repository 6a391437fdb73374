/**
 * What `hearth data` says; pure.
 *
 * @module
 */

import { basename } from "node:path";
import { formatBytes, formatCount } from "../../base/format.ts";
import type { PublicSource } from "../../data/sources/public_sources.ts";
import type { RawDataset } from "../../data/sources/raw_files.ts";
import type { Prepared } from "../../data/tokens/prepared_tokens.ts";
import { formatFields, formatTable } from "./table.ts";

/** The table of data sets that are tokens already. */
export function formatPrepared(all: readonly Prepared[]): string {
  return formatTable(
    [
      ["id", "left"],
      ["source", "left"],
      ["tokenizer", "left"],
      ["train tokens", "right"],
      ["val tokens", "right"],
    ],
    all.map(({ directory, header }) => [
      basename(directory),
      header.source,
      `${header.tokenizer.type} ${formatCount(header.tokenizer.vocabSize)}`,
      formatCount(header.train.tokens),
      formatCount(header.val.tokens),
    ]),
  );
}

/** The table of what was downloaded. */
export function formatDownloads(all: readonly RawDataset[]): string {
  return formatTable(
    [["downloaded from", "left"], ["files", "right"], ["size", "right"]],
    all.map(({ from, files, unfinished, bytes }) => [
      from,
      formatCount(files) + (unfinished > 0 ? ` + ${unfinished} begun` : ""),
      formatBytes(bytes),
    ]),
  );
}

/** The table of data sets that have a name. */
export function formatPublic(all: readonly PublicSource[]): string {
  return formatTable(
    [["name", "left"], ["download", "right"], ["what it is", "left"]],
    all.map(({ name, downloadBytes, about }) => [
      name,
      downloadBytes === 0 ? "none" : formatBytes(downloadBytes),
      about,
    ]),
  );
}

/** The lines about one that is tokens already. */
export function formatInfo({ directory, header }: Prepared): string {
  const { tokenizer, train, val } = header;
  const side = ({ tokens, bytes }: typeof train) =>
    tokens === 0
      ? "nothing"
      : `${formatCount(tokens)} tokens from ${formatBytes(bytes)} of text, ` +
        `${(bytes / tokens).toFixed(2)} bytes per token`;
  const share = val.bytes / Math.max(1, train.bytes + val.bytes);
  return formatFields([
    ["id", basename(directory)],
    ["directory", directory],
    ["source", header.source],
    ["validation", `${(100 * share).toFixed(1)} % of the text`],
    ["files", formatCount(header.files.length)],
    [
      "tokenizer",
      `${tokenizer.type}, ${formatCount(tokenizer.vocabSize)} ids`,
    ],
    ["train", side(train)],
    ["val", side(val)],
  ]);
}

/** The lines about a public data set. */
export function formatPublicInfo(source: PublicSource): string {
  return formatFields([
    ["name", source.name],
    ["about", source.about],
    ["from", source.from],
    ["download", formatBytes(source.downloadBytes)],
    ...Object.entries(source.splits),
    ...source.column ? [["column", source.column] as [string, string]] : [],
    ["license", source.license],
  ]);
}
