/**
 * Makes the prepared tokens that are missing: trains the tokenizer if none is
 * given, writes each source aside, and publishes it when it is complete.
 *
 * @module
 */

import { basename, join } from "node:path";
import { formatCount } from "../../base/format.ts";
import { textSha256 } from "../../base/sha256.ts";
import type { TokenizerSection } from "../../config/hearth_config.ts";
import type { LoadedTokenizer } from "../../tokenizer/load.ts";
import { TextPool } from "../../tokenizer/text_pool.ts";
import { trainTokenizer } from "../../tokenizer/train.ts";
import type { BatchShape } from "../batches/windows.ts";
import { type CorpusPart, partsBytes, sourceFiles } from "../corpus.ts";
import { removeLeftovers, Workspace } from "../disk/workspace.ts";
import { partFingerprint } from "../fingerprint.ts";
import { hasEnoughTokens } from "../lengths.ts";
import { type DataProgress, meter } from "../progress.ts";
import {
  fileRecord,
  type Prepared,
  type PreparedHeader,
  preparedPaths,
  readPrepared,
  tokensDirectory,
} from "./prepared_tokens.ts";
import {
  type PreparedSides,
  trainingTexts,
  writeSynced,
  writeTokens,
} from "./write_tokens.ts";

/** How tokens are made, and who listens. */
export interface PrepareOptions extends BatchShape {
  tokenizer: TokenizerSection;
  /** Prepared data sets are kept in `tokens/` below it. */
  dataDir: string;
  /** Threads that make tokens; 0 or left out: one per core. */
  threads?: number;
  onProgress?: (progress: DataProgress) => void;
  /** One line about something the user may want to know. */
  onNotice?: (message: string) => void;
  /** Aborting rejects with its reason and leaves nothing half-written. */
  signal?: AbortSignal;
}

/** What is there, and what is to be made. */
export interface MissingTokens {
  parts: readonly CorpusPart[];
  /** Of each part what is there already, or null. */
  found: readonly (Prepared | null)[];
  /** The tokenizer that needs no training, or null. */
  given: LoadedTokenizer | null;
  /** Names a tokenizer that is trained on this text; else null. */
  key: string | null;
  /** When the files were listed, milliseconds since 1970. */
  listedAtMs: number;
  /** Throws if all parts together have too few tokens. */
  checkCounts: (headers: readonly PreparedHeader[]) => void;
}

/** Tokens that are written, and where; null for what was there already. */
interface Written {
  header: PreparedHeader;
  workspace: Workspace | null;
}

/**
 * The tokens of all parts. If they are too few, nothing stays of them; else
 * each source that is done is found again, also if the rest never is.
 *
 * @throws {UserError} When the disk is full or a file changed meanwhile.
 */
export async function prepareTokens(
  missing: MissingTokens,
  options: PrepareOptions,
): Promise<{ prepared: Prepared[]; tokenizer: LoadedTokenizer }> {
  const { parts, found } = missing;
  const { signal, onProgress, onNotice } = options;

  // 1. A place to write to; found out now, and not after the training.
  const parent = tokensDirectory(options.dataDir);
  await removeLeftovers(parent);
  await using workspaces = new AsyncDisposableStack();
  const open = async () => workspaces.use(await Workspace.create(parent));
  let workspace = await open();

  // 2. The tokenizer, and threads that have it.
  const tokenizer = missing.given ?? await trainOn(parts, options);
  const { json, type } = tokenizer;
  using pool = new TextPool({ kind: "encode", json, type }, options.threads);

  // 3. Each source that is not there, by its fingerprint: two may be the same.
  const total = partsBytes(parts.filter((_, i) => found[i] === null));
  const onBytes = meter({ phase: "tokenize", total }, onProgress);
  const written = new Map<string, Written>();
  const headers: PreparedHeader[] = [];
  let unknown = 0;
  for (const [i, part] of parts.entries()) {
    const fingerprint = partFingerprint(part, tokenizer.fingerprint);
    const there = found[i]?.header ?? written.get(fingerprint)?.header;
    if (there !== undefined) {
      headers.push(there);
      continue;
    }
    if (written.size > 0) workspace = await open();
    const { directory } = workspace;
    const encoder = { tokenizer, pool };
    const result = await writeTokens(part, encoder, {
      directory,
      onBytes,
      signal,
    });
    unknown += result.unknown;
    const { listedAtMs, key } = missing;
    const header = headerOf(part, tokenizer, {
      ...result.sides,
      fingerprint,
      tokenizerKey: key,
      listedAtMs,
    });
    const { header: path } = preparedPaths(directory);
    await writeSynced(path, JSON.stringify(header, null, 1));
    written.set(fingerprint, { header, workspace });
    headers.push(header);
    signal?.throwIfAborted();
    const isLast = headers.length === parts.length;
    if (!isLast && hasEnoughTokens(headers, options)) {
      await publishAll(written, parent);
    }
  }

  // 4. What is too small by itself stays if all together are enough.
  missing.checkCounts(headers);
  await publishAll(written, parent);
  if (unknown > 0) {
    onNotice?.(
      `${formatCount(unknown)} characters of the text are not in the ` +
        "tokenizer's vocabulary and were replaced",
    );
  }
  const prepared = headers.map((header, i) =>
    found[i] ?? { directory: directoryOf(parent, header), header }
  );
  return { prepared, tokenizer };
}

async function trainOn(
  parts: readonly CorpusPart[],
  { tokenizer, threads, onProgress, onNotice, signal }: PrepareOptions,
): Promise<LoadedTokenizer> {
  const read = parts.filter(({ valFraction }) => valFraction < 1);
  const total = partsBytes(read);
  const onBytes = meter({ phase: "tokenizer", total }, onProgress);
  const texts = trainingTexts(read, { onBytes, signal });
  return await trainTokenizer(tokenizer, texts, {
    threads,
    signal,
    onNotice,
    onProgress(progress) {
      if (progress.phase !== "merging") return;
      const { vocabSize: done, targetVocabSize: total } = progress;
      onProgress?.({ phase: "tokenizer", done, total });
    },
  });
}

function headerOf(
  { source, valFraction }: CorpusPart,
  { type, vocabSize, fingerprint }: LoadedTokenizer,
  known:
    & PreparedSides
    & Pick<PreparedHeader, "fingerprint" | "tokenizerKey" | "listedAtMs">,
): PreparedHeader {
  return {
    version: 2,
    tokenizer: { type, vocabSize, fingerprint },
    source: source.name,
    valFraction,
    files: sourceFiles(source).map(fileRecord),
    ...known,
  };
}

/** Publishes what was not published yet. */
async function publishAll(
  written: Map<string, Written>,
  parent: string,
): Promise<void> {
  for (const one of written.values()) {
    if (one.workspace === null) continue;
    const directory = directoryOf(parent, one.header);
    const name = basename(directory);
    const published = await one.workspace.publish(name);
    // What is there already was made at the same time by another process, or
    // is of another version of this program.
    if (!published && await readPrepared(directory) === null) {
      await Deno.remove(directory, { recursive: true });
      await one.workspace.publish(name);
    }
    one.workspace = null;
  }
}

function directoryOf(parent: string, { fingerprint }: PreparedHeader): string {
  return join(parent, textSha256(fingerprint).slice(0, 16));
}
