/**
 * The cache that programs of the hub share: read, never written.
 *
 * Below `datasets--owner--name`, `blobs/` holds contents under their checksum,
 * `snapshots/<commit>/` links names to them, and `refs/<revision>` holds the
 * commit. What is there need not be downloaded again.
 * Source: Hugging Face, "Understand caching" of huggingface_hub.
 *
 * @module
 */

import { join, relative, sep } from "node:path";
import { readLimitedText } from "../../base/limited_file.ts";
import { isOneName } from "../../base/one_name.ts";
import type { HubName } from "./hub_name.ts";
import type { HubFile, HubListing } from "./listing.ts";
import type { HubSettings } from "./settings.ts";

/** Path of a file's content, or null where it is not there in full. */
export async function findShared(
  { repo }: Pick<HubName, "repo">,
  { sha256, gitSha1, sizeBytes }: HubFile,
  { cacheDir }: Pick<HubSettings, "cacheDir">,
): Promise<string | null> {
  const name = sha256 ?? gitSha1;
  if (name === undefined) return null;
  const path = join(repoDir(cacheDir, repo), "blobs", name);
  const stat = await Deno.stat(path).catch(() => null);
  return stat?.isFile && stat.size === sizeBytes ? path : null;
}

/**
 * What the cache has of a data set, as if the hub had listed it; null when
 * there is nothing. Files that nobody downloaded are not in it.
 */
export async function listShared(
  { repo, revision }: Pick<HubName, "repo" | "revision">,
  { cacheDir, endpoint }: Pick<HubSettings, "cacheDir" | "endpoint">,
): Promise<HubListing | null> {
  const dir = repoDir(cacheDir, repo);
  const commit = await readLimitedText(join(dir, "refs", revision))
    .then((text) => text.trim(), () => revision);
  if (!isOneName(commit)) return null;
  const snapshot = join(dir, "snapshots", commit);
  const files: HubFile[] = [];
  for await (const path of filesBelow(snapshot)) {
    const file = await describe(path, snapshot);
    if (file !== null) files.push(file);
  }
  if (files.length === 0) return null;
  const card = await readLimitedText(join(snapshot, "README.md"))
    .catch(() => null);
  return {
    version: 1,
    repo,
    revision,
    endpoint,
    listedAtMs: Date.now(),
    files,
    card,
  };
}

/** Size and checksum; null for a link to what is gone. */
async function describe(
  path: string,
  snapshot: string,
): Promise<HubFile | null> {
  const stat = await Deno.stat(path).catch(() => null);
  if (!stat?.isFile) return null;
  // The link ends in the name of the content, which is its checksum.
  const link = await Deno.readLink(path).catch(() => "");
  const name = link.split(/[\\/]/).at(-1)!;
  return {
    path: relative(snapshot, path).replaceAll(sep, "/"),
    sizeBytes: stat.size,
    ...name.length === 64 ? { sha256: name } : {},
    ...name.length === 40 ? { gitSha1: name } : {},
  };
}

async function* filesBelow(directory: string): AsyncGenerator<string> {
  const entries = await Array.fromAsync(Deno.readDir(directory))
    .catch(() => []);
  for (const { name, isDirectory } of entries) {
    const path = join(directory, name);
    if (isDirectory) yield* filesBelow(path);
    else yield path;
  }
}

function repoDir(cacheDir: string, repo: string): string {
  return join(cacheDir, `datasets--${repo.replaceAll("/", "--")}`);
}
