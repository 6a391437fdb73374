/**
 * The checked text of a data set, and which side of it each part is on.
 *
 * Each source is split by itself. One that brings files for validation, as
 * data sets of the hub do, keeps to those. Of others, text files are joined in
 * order, and the last `valFraction` of their bytes is for validation, as
 * nanoGPT does. Documents (stories of the sample, lines of JSON Lines, rows of
 * Parquet) go to a side by a hash of their text: the same text twice is on one
 * side, and adding documents moves none. A separate validation set is taken
 * whole. The seed of the run has no part in this.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { EXIT, UserError } from "../base/errors.ts";
import { textSha256 } from "../base/sha256.ts";
import {
  SAMPLE_BYTES,
  SAMPLE_VERSION,
  sampleStories,
} from "./sample/sample.ts";
import type { Source } from "./sources/resolve_sources.ts";
import {
  checkFile,
  contentKey,
  type FileFacts,
  isPlainText,
  readDocuments,
} from "./text/documents.ts";
import type { ReadOptions, TextFile } from "./text/file_bytes.ts";
import { readText, type TextChunk } from "./text/text_file.ts";

/** Train or validation. */
export type Side = "train" | "val";

/** A text file whose every byte was seen to be good. */
export type CheckedFile = TextFile & FileFacts;

/** A source whose files are checked. */
export type CheckedSource =
  | { kind: "sample"; name: string }
  | { kind: "files"; name: string; files: CheckedFile[] };

/** All text of a data set. */
export interface Corpus {
  /** Empty when a text is only measured. */
  train: CheckedSource[];
  /** Shares of the sources of `train` in a mix; null: all are read whole. */
  weights: number[] | null;
  /** Null when a part of `train` is for validation. */
  val: CheckedSource[] | null;
  /** The part of `train` for validation; null when `val` is given. */
  valFraction: number | null;
}

/** A source, and how it is split. */
export interface CorpusPart {
  source: CheckedSource;
  /** The part of it for validation: 0 none, 1 all. */
  valFraction: number;
}

/** A document, or the part of one that is on one side. */
export interface Passage {
  side: Side;
  /** Its text, cut anywhere between two characters. */
  chunks: Iterable<string> | AsyncIterable<string>;
  /** False where the split cuts a document: the other part follows. */
  endsDocument: boolean;
}

/**
 * Reads every file of `sources` once, and so checks it.
 *
 * @param options.known Facts of a file that need not be read again, or null.
 * @throws {UserError} For files that are not text, and sources without text.
 */
export async function checkSources(
  sources: Source[],
  options: ReadOptions & { known: (file: TextFile) => FileFacts | null },
): Promise<CheckedSource[]> {
  const checked: CheckedSource[] = [];
  for (const source of sources) {
    if (source.kind === "sample") {
      checked.push(source);
      continue;
    }
    const files: CheckedFile[] = [];
    for (const file of source.files) {
      const facts = options.known(file) ?? await checkFile(file, options);
      files.push({ ...file, ...facts });
    }
    if (files.every(({ textBytes }) => textBytes === 0)) {
      throw new UserError(`Cannot use dataset "${source.name}": it is empty`, {
        hint: "give a file with text in it, or --dataset sample",
        exitCode: EXIT.usage,
      });
    }
    checked.push({ ...source, files });
  }
  return checked;
}

/** The sources of both sides, in order. */
export function corpusParts(
  { train, val, valFraction }: Corpus,
): CorpusPart[] {
  const part = (valFraction: number) => (source: CheckedSource) => (
    { source, valFraction }
  );
  return [
    ...train.map(part(valFraction ?? 0)),
    ...val?.map(part(1)) ?? [],
  ];
}

/** The files of a source. */
export function sourceFiles(source: CheckedSource): CheckedFile[] {
  return source.kind === "files" ? source.files : [];
}

/** Both sides as the user named them; val is null for a part of train. */
export function corpusNames(
  { train, val }: Corpus,
): { train: string; val: string | null } {
  const join = (sources: CheckedSource[]) =>
    sources.map(({ name }) => name).join(", ");
  return { train: join(train), val: val && join(val) };
}

/** Bytes that {@linkcode readPassages} reports for all of `parts`. */
export function partsBytes(parts: readonly CorpusPart[]): number {
  return parts.reduce(
    (sum, part) =>
      sum + (part.source.kind === "sample" ? SAMPLE_BYTES : splitFiles(part)
        .reduce((sum, { file }) => sum + file.sizeBytes, 0)),
    0,
  );
}

/**
 * The files to read of a source, each with the part of it for validation; a
 * separate validation set, or what is not for validation, may leave some out.
 */
export function splitFiles(
  { source, valFraction }: CorpusPart,
): { file: CheckedFile; fraction: number }[] {
  const files = sourceFiles(source);
  if (!hasOwnSplit(files)) {
    return files.map((file) => ({ file, fraction: valFraction }));
  }
  return files
    .map((file) => ({ file, fraction: file.side === "val" ? 1 : 0 }))
    .filter(({ fraction }) =>
      valFraction === 0 || valFraction === 1 ? fraction === valFraction : true
    );
}

/** Whether some files of a source are set aside for validation. */
function hasOwnSplit(files: readonly TextFile[]): boolean {
  return files.some(({ side }) => side !== undefined);
}

/** UTF-8 bytes of the text of `source`. */
export function textBytes(source: CheckedSource): number {
  return source.kind === "sample"
    ? SAMPLE_BYTES
    : source.files.reduce((sum, file) => sum + file.textBytes, 0);
}

/** sha256 (hex) of all that decides the text of a source, paths left out. */
export function sourceFingerprint(source: CheckedSource): string {
  const content = source.kind === "sample"
    ? [`sample ${SAMPLE_VERSION}`]
    : source.files.map(contentKey);
  return textSha256(JSON.stringify(content));
}

/**
 * All text of a source, in order.
 *
 * Take the chunks of a passage before you ask for the next one, or not at all.
 */
export async function* readPassages(
  part: CorpusPart,
  options: ReadOptions = {},
): AsyncGenerator<Passage> {
  const { source, valFraction } = part;
  if (source.kind === "sample") {
    for (const story of sampleStories()) {
      options.signal?.throwIfAborted();
      const side = sideOf(story, valFraction);
      yield { side, chunks: [story], endsDocument: true };
      options.onBytes?.(story.length); // the sample is ASCII
    }
    return;
  }
  const isJoined = !hasOwnSplit(source.files);
  const plain = source.files.filter(isPlainText);
  const plainBytes = plain.reduce((sum, file) => sum + file.textBytes, 0);
  let cut = Math.floor(plainBytes * (1 - valFraction)); // from the next file on
  for (const { file, fraction } of splitFiles(part)) {
    if (!isPlainText(file)) {
      for await (const text of readDocuments(file, options)) {
        const side = sideOf(text, fraction);
        yield { side, chunks: [text], endsDocument: true };
      }
    } else if (file.textBytes > 0) {
      if (!isJoined) cut = fraction === 1 ? 0 : file.textBytes;
      yield* plainPassages(file, cut, options);
      cut -= file.textBytes;
    }
  }
}

/** The side of a document, by a hash of its text. */
export function sideOf(text: string, valFraction: number): Side {
  if (valFraction === 0) return "train";
  const digest = createHash("sha256").update(text).digest();
  return digest.readUInt32BE(0) / 2 ** 32 < valFraction ? "val" : "train";
}

/** A text file, of which the bytes before `cut` are for training. */
async function* plainPassages(
  file: CheckedFile,
  cut: number,
  options: ReadOptions,
): AsyncGenerator<Passage> {
  const chunks = readText(file, options);
  try {
    const { before, after } = splitText(chunks, cut);
    if (cut > 0) {
      const whole = cut >= file.textBytes;
      yield { side: "train", chunks: before, endsDocument: whole };
      if (whole) return;
    }
    yield { side: "val", chunks: after, endsDocument: true };
  } finally {
    await chunks.return(undefined); // closes the file of a passage not taken
  }
}

/** Two readers of one stream: up to byte `cut`, and then all the rest. */
function splitText(
  chunks: AsyncGenerator<TextChunk>,
  cut: number,
): { before: AsyncIterable<string>; after: AsyncIterable<string> } {
  let rest = "";
  return { before: before(), after: after() };

  async function* before(): AsyncGenerator<string> {
    for (let offset = 0;;) {
      const { value, done } = await chunks.next(); // for-of would close it
      if (done) return;
      if (offset + value.bytes.length > cut) {
        const [left, right] = splitChunk(value, cut - offset);
        rest = right;
        return yield left;
      }
      offset += value.bytes.length;
      yield value.text;
    }
  }

  async function* after(): AsyncGenerator<string> {
    yield rest;
    for await (const { text } of chunks) yield text;
  }
}

/** Cuts before the first character that starts at or after byte `at`. */
function splitChunk({ bytes }: TextChunk, at: number): [string, string] {
  while (at < bytes.length && (bytes[at] & 0xc0) === 0x80) at++;
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  return [
    decoder.decode(bytes.subarray(0, at)),
    decoder.decode(bytes.subarray(at)),
  ];
}
