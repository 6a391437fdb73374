/**
 * What the config's `dataset` names: the sample, a file, a folder or a glob.
 *
 * Resolving lists files and checks that they can be meant; it reads none.
 *
 * @module
 */

import type { DataSection } from "../config/schema.ts";
import { EXIT, UserError } from "../base/errors.ts";
import type { TextFile } from "./file_bytes.ts";
import { listFiles } from "./local_files.ts";
import { weightedSources } from "./weights.ts";

/** One named source, and what it stands for. */
export type Source =
  | { kind: "sample"; name: string }
  | { kind: "files"; name: string; files: TextFile[] };

/** `dataset` or `valDataset` as the config has it. */
export type SourceSetting = DataSection["dataset"];

/** Names that are set aside for public data sets. */
const PUBLIC_NAMES = [
  "wikitext-2",
  "wikitext-103",
  "tinystories",
  "tinyshakespeare",
];

/**
 * The sources of one setting, in its order.
 *
 * @throws {UserError} With exit code 2 for anything that is not there or is
 * not text by its name.
 */
export async function resolveSources(
  setting: SourceSetting,
  { textColumn }: Pick<DataSection, "textColumn"> = {},
): Promise<Source[]> {
  const sources: Source[] = [];
  for (const { source } of weightedSources(setting)) {
    sources.push(withColumn(await resolveSource(source), textColumn));
  }
  return sources;
}

async function resolveSource(name: string): Promise<Source> {
  if (name === "sample") return { kind: "sample", name };
  const isAddress = /^[a-z][a-z0-9+.-]+:\/\//i.test(name) ||
    name.startsWith("hf:");
  if (isAddress || PUBLIC_NAMES.includes(name)) {
    throw usage(
      `Cannot use dataset "${name}": only sample and local files, folders ` +
        "and globs can be used",
      isAddress
        ? "download it and give the path of the file"
        : `download it and give its path; for a local file write ./${name}`,
    );
  }
  return { kind: "files", name, files: await listFiles(name) };
}

/** Says which column to read, where a file has columns. */
function withColumn(source: Source, column: string | undefined): Source {
  if (source.kind === "sample") return source;
  const files = source.files.map((file) =>
    file.format === "text" ? file : { column, ...file }
  );
  return { ...source, files };
}

function usage(message: string, hint: string): UserError {
  return new UserError(message, { hint, exitCode: EXIT.usage });
}
