/**
 * The checked text of a data set, and which side of it each part is on.
 *
 * Text files are joined in order, and the last `valFraction` of their bytes is
 * for validation, as nanoGPT does. Documents (stories of the sample, lines of
 * JSON Lines) go to a side by a hash of their text: the same text twice is on
 * one side, and adding documents moves none. A separate validation set is
 * taken whole. The seed of the run has no part in this.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { EXIT, UserError } from "../base/errors.ts";
import {
  checkFile,
  contentKey,
  type FileFacts,
  isPlainText,
  readDocuments,
} from "./documents.ts";
import {
  SAMPLE_BYTES,
  SAMPLE_VERSION,
  sampleStories,
} from "./sample/sample.ts";
import type { Source } from "./sources.ts";
import {
  type ReadOptions,
  readText,
  type TextChunk,
  type TextFile,
} from "./text_file.ts";

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
  train: CheckedSource[];
  /** Null when a part of `train` is for validation. */
  val: CheckedSource[] | null;
  /** The part of `train` for validation; null when `val` is given. */
  valFraction: number | null;
}

/** A document, or the part of one that is on one side. */
export interface Part {
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

/** The files of both sides, in order. */
export function corpusFiles({ train, val }: Corpus): CheckedFile[] {
  return [...train, ...val ?? []].flatMap((source) =>
    source.kind === "files" ? source.files : []
  );
}

/** Both sides as the user named them; val is null for a part of train. */
export function corpusNames(
  { train, val }: Corpus,
): { train: string; val: string | null } {
  const join = (sources: CheckedSource[]) =>
    sources.map(({ name }) => name).join(", ");
  return { train: join(train), val: val && join(val) };
}

/** Bytes that {@linkcode readParts} reports for all of `corpus`. */
export function corpusBytes(corpus: Corpus): number {
  return sampleBytes(corpus) +
    corpusFiles(corpus).reduce((sum, file) => sum + file.sizeBytes, 0);
}

/** UTF-8 bytes of the text of `corpus`. */
export function corpusTextBytes(corpus: Corpus): number {
  return sampleBytes(corpus) +
    corpusFiles(corpus).reduce((sum, file) => sum + file.textBytes, 0);
}

function sampleBytes({ train, val }: Corpus): number {
  const samples = [...train, ...val ?? []]
    .filter(({ kind }) => kind === "sample");
  return samples.length * SAMPLE_BYTES;
}

/** sha256 (hex) of all that decides the text of `corpus`, paths left out. */
export function corpusFingerprint({ train, val }: Corpus): string {
  const content = (source: CheckedSource) =>
    source.kind === "sample"
      ? [`sample ${SAMPLE_VERSION}`]
      : source.files.map(contentKey);
  const all = [train.flatMap(content), val?.flatMap(content) ?? null];
  return createHash("sha256").update(JSON.stringify(all)).digest("hex");
}

/**
 * All text of `corpus`, in order.
 *
 * Take the chunks of a part before you ask for the next one, or not at all.
 */
export async function* readParts(
  corpus: Corpus,
  options: ReadOptions = {},
): AsyncGenerator<Part> {
  if (corpus.val !== null) {
    yield* sourceParts(corpus.train, () => "train", Infinity, options);
    yield* sourceParts(corpus.val, () => "val", 0, options);
    return;
  }
  const fraction = corpus.valFraction ?? 0;
  const plainBytes = corpusFiles(corpus)
    .filter(isPlainText)
    .reduce((sum, file) => sum + file.textBytes, 0);
  yield* sourceParts(
    corpus.train,
    (text) => sideOf(text, fraction),
    Math.floor(plainBytes * (1 - fraction)),
    options,
  );
}

/** The side of a document, by a hash of its text. */
export function sideOf(text: string, valFraction: number): Side {
  const digest = createHash("sha256").update(text).digest();
  return digest.readUInt32BE(0) / 2 ** 32 < valFraction ? "val" : "train";
}

/**
 * @param side The side of a document.
 * @param plainCut Byte of the joined text files at which validation begins.
 */
async function* sourceParts(
  sources: CheckedSource[],
  side: (text: string) => Side,
  plainCut: number,
  options: ReadOptions,
): AsyncGenerator<Part> {
  let plainBytes = 0; // of the text files so far
  for (const source of sources) {
    if (source.kind === "sample") {
      for (const story of sampleStories()) {
        options.signal?.throwIfAborted();
        yield { side: side(story), chunks: [story], endsDocument: true };
        options.onBytes?.(story.length); // the sample is ASCII
      }
      continue;
    }
    for (const file of source.files) {
      if (!isPlainText(file)) {
        for await (const text of readDocuments(file, options)) {
          yield { side: side(text), chunks: [text], endsDocument: true };
        }
      } else if (file.textBytes > 0) {
        yield* plainParts(file, plainCut - plainBytes, options);
        plainBytes += file.textBytes;
      }
    }
  }
}

/** A text file, of which the bytes before `cut` are for training. */
async function* plainParts(
  file: CheckedFile,
  cut: number,
  options: ReadOptions,
): AsyncGenerator<Part> {
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
    await chunks.return(undefined); // closes the file of a part not taken
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

/** Bytes of `text` as UTF-8. */
export function utf8Length(text: string): number {
  return Buffer.byteLength(text, "utf8");
}
