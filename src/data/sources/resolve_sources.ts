/**
 * What the config's `dataset` names: the sample, a public data set, an
 * address, a file, a folder or a glob.
 *
 * What is not on this machine is downloaded. Files are listed here and not yet
 * read, except for the directories of archives.
 *
 * @module
 */

import { EXIT, UserError } from "../../base/errors.ts";
import type { DataSection } from "../../config/hearth_config.ts";
import { parseHubName } from "../hub/hub_name.ts";
import { fetchHubFiles } from "../hub/hub_source.ts";
import type { TextFile } from "../text/file_bytes.ts";
import type { FetchOptions } from "./fetch_options.ts";
import { listFiles } from "./local_files.ts";
import { findPublic } from "./public_sources.ts";
import { fetchUrl, isUrl } from "./url_source.ts";
import { weightedSources } from "./weights.ts";

/** One named source, and what it stands for. */
export type Source =
  | { kind: "sample"; name: string }
  | { kind: "files"; name: string; files: TextFile[] };

/** `dataset` or `valDataset` as the config has it. */
export type SourceSetting = DataSection["dataset"];

/**
 * The sources of one setting, in its order.
 *
 * @throws {UserError} With exit code 2 for anything that is not there or is
 * not text by its name; for downloads that fail.
 */
export async function resolveSources(
  setting: SourceSetting,
  { data, ...options }: FetchOptions & {
    data?: Pick<DataSection, "textColumn">;
  },
): Promise<Source[]> {
  const sources: Source[] = [];
  for (const { source } of weightedSources(setting)) {
    const resolved = await resolveSource(source, options);
    sources.push(withColumn(resolved, data?.textColumn));
  }
  return sources;
}

/** Whether a source is on another machine, as far as its name tells. */
export function isRemote(name: string): boolean {
  if (name === "sample") return false;
  return findPublic(name) !== undefined || isUrl(name) ||
    parseHubName(name) !== null;
}

async function resolveSource(
  name: string,
  options: FetchOptions,
): Promise<Source> {
  if (name === "sample") return { kind: "sample", name };
  return { kind: "files", name, files: await findFiles(name, options) };
}

async function findFiles(
  name: string,
  options: FetchOptions,
): Promise<TextFile[]> {
  const known = findPublic(name);
  const from = known?.from ?? name;
  const hubName = parseHubName(from);
  if (hubName !== null) {
    return await fetchHubFiles({ ...hubName, name }, options);
  }
  if (isUrl(from)) {
    const expected = known && {
      sizeBytes: known.downloadBytes,
      sha256: known.sha256,
    };
    return await fetchUrl(from, expected ?? {}, options);
  }
  if (/^[a-z][a-z0-9+.-]+:\/\//i.test(name)) {
    throw new UserError(
      `Cannot use dataset "${name}": addresses begin with https:// or hf:`,
      {
        hint: "download it and give the path of the file",
        exitCode: EXIT.usage,
      },
    );
  }
  return await listFiles(name);
}

/** Says which column to read, where a file has columns. */
function withColumn(source: Source, column: string | undefined): Source {
  if (source.kind === "sample" || column === undefined) return source;
  const files = source.files.map((file) =>
    file.format === "text" ? file : { column, ...file }
  );
  return { ...source, files };
}
