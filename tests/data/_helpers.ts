/** A temporary directory, and settings small enough for it. @module */

import { join } from "node:path";
import assert from "node:assert/strict";
import { UserError } from "../../src/base/errors.ts";
import { configSchema } from "../../src/config/schema.ts";
import {
  openDataset,
  type OpenDatasetOptions,
} from "../../src/data/open_dataset.ts";
import type { TextFile } from "../../src/data/text/file_bytes.ts";

/** A directory that is removed at the end of a block. */
export class TempDir implements AsyncDisposable {
  readonly path: string;

  constructor() {
    this.path = Deno.makeTempDirSync();
  }

  /** Writes a file below it, with its folders; returns the path. */
  async write(name: string, content: string | Uint8Array): Promise<string> {
    const path = join(this.path, name);
    await Deno.mkdir(join(path, ".."), { recursive: true });
    if (typeof content === "string") await Deno.writeTextFile(path, content);
    else await Deno.writeFile(path, content);
    return path;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.path, { recursive: true });
  }
}

/** Options with the byte tokenizer, windows of 4 and batches of 2. */
export function options(
  dir: TempDir,
  dataset: string | { source: string; weight?: number }[] | string[],
  more: Partial<OpenDatasetOptions> & {
    valDataset?: string;
    valFraction?: number;
    tokenizerType?: "bpe" | "char" | "byte";
  } = {},
): OpenDatasetOptions {
  const { valDataset, valFraction, tokenizerType = "byte", ...rest } = more;
  const { data, tokenizer } = configSchema.parse({
    data: { dataset, valDataset, valFraction },
    tokenizer: { type: tokenizerType, vocabSize: 300 },
  });
  return {
    data,
    tokenizer,
    seqLen: 4,
    batchSize: 2,
    seed: 1337,
    dataDir: join(dir.path, "data"),
    ...rest,
  };
}

/** A file as listing it would give it. */
export async function textFile(
  path: string,
  more: Partial<TextFile> = {},
): Promise<TextFile> {
  const { size, mtime } = await Deno.stat(path);
  return {
    path,
    name: path,
    format: "text",
    compression: "none",
    sizeBytes: size,
    mtimeMs: mtime!.getTime(),
    ...more,
  };
}

/** The error of `work`, which must be one that a user can put right. */
export async function userError(work: () => unknown): Promise<UserError> {
  try {
    await work();
  } catch (error) {
    assert.ok(error instanceof UserError, `no UserError: ${error}`);
    return error;
  }
  assert.fail("nothing was thrown");
}

/** All file names below a directory, sorted; none if it is not there. */
export async function filesBelow(path: string): Promise<string[]> {
  const names: string[] = [];
  const walk = async (directory: string, prefix: string) => {
    for await (const entry of Deno.readDir(directory)) {
      const name = prefix + entry.name;
      if (entry.isDirectory) {
        await walk(join(directory, entry.name), `${name}/`);
      } else names.push(name);
    }
  };
  await walk(path, "").catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
  return names.sort();
}

/** What there is once a data set was opened; it is closed again. */
export async function openAndClose(settings: OpenDatasetOptions) {
  const { dataset, prepared, reused } = await openDataset(settings);
  dataset.close();
  const { fingerprint } = dataset.identity;
  return { reused, fingerprint, directory: prepared[0].directory };
}
