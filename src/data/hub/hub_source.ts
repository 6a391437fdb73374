/**
 * The files of a data set on the hub, on this machine.
 *
 * What is on disk is used as it is, without asking the hub: a run that is
 * resumed finds the data it began with. The hub is asked when something is
 * missing, or when the person wants the newest.
 *
 * @module
 */

import { join, posix } from "node:path";
import { EXIT, UserError } from "../../base/errors.ts";
import { formatBytes } from "../../base/format.ts";
import { isOneName } from "../../base/one_name.ts";
import { textSha256 } from "../../base/sha256.ts";
import { downloadAll } from "../net/download_all.ts";
import { ConnectionFailure } from "../net/failures.ts";
import { type FetchOptions, networkOptions } from "../sources/fetch_options.ts";
import { isWikitext } from "../sources/public_sources.ts";
import { rawDirectory, readRecord, writeRecord } from "../sources/raw_files.ts";
import type { TextFile } from "../text/file_bytes.ts";
import { formatOf } from "../text/file_names.ts";
import { hubDownload, hubFolderName } from "./hub_files.ts";
import type { HubName } from "./hub_name.ts";
import {
  type HubFile,
  type HubListing,
  hubListingSchema,
  listOnline,
  unreachable,
} from "./listing.ts";
import { type HubSettings, hubSettings, processEnv } from "./settings.ts";
import { findShared, listShared } from "./shared_cache.ts";
import { chooseFiles, type ChosenFiles } from "./splits.ts";

/** A file that was chosen, and where it is on this machine; null: nowhere. */
interface Located {
  file: HubFile;
  side: "train" | "val";
  path: string | null;
}

/**
 * The files that `name` means, downloaded if need be.
 *
 * @throws {UserError} For everything that stands in the way.
 */
export async function fetchHubFiles(
  name: HubName,
  options: FetchOptions,
): Promise<TextFile[]> {
  const settings = await hubSettings(options.env ?? processEnv);
  const directory = join(rawDirectory(options.dataDir), hubFolderName(name));
  const look = async (listing: HubListing) => {
    const chosen = chooseFiles(listing, name);
    const located = await locate(chosen, { name, directory, settings });
    return { listing, chosen, located };
  };

  // 1. What is here already.
  const stored = options.refresh
    ? null
    : await readRecord(directory, hubListingSchema);
  let found = stored && await look(stored);
  if (found === null || found.located.some(({ path }) => path === null)) {
    // 2. What the hub has, or without it what other programs left.
    const listing = settings.offline
      ? null
      : await askHub(name, settings, { directory, options });
    const known = listing ?? stored ?? await listShared(name, settings);
    if (known === null) throw offlineWithout(name);
    found = await look(known);
    await download(found, { name, directory, settings, options });
    found = await look(known);
  }
  const { chosen, located } = found;
  return await Promise.all(
    located.map(({ file, side, path }) =>
      describe(file, { name, side, path: path!, column: chosen.column })
    ),
  );
}

/** The newest listing, or what other programs have of it. */
async function askHub(
  name: HubName,
  settings: HubSettings,
  { directory, options }: { directory: string; options: FetchOptions },
): Promise<HubListing> {
  try {
    options.onProgress?.({ phase: "download", done: 0, total: 0 });
    const network = networkOptions(options, settings);
    const listing = await listOnline(name, settings, network);
    chooseFiles(listing, name); // before anything is written
    await writeRecord(directory, listing);
    return listing;
  } catch (error) {
    if (!(error instanceof ConnectionFailure)) throw error;
    const shared = await listShared(name, settings);
    if (shared === null) throw unreachable(error, name);
    options.onNotice?.(
      `${new URL(error.url).host} ${error.reason}; using what ` +
        `${settings.cacheDir} has of "${name.repo}"`,
    );
    return shared;
  }
}

async function locate(
  { train, val }: ChosenFiles,
  { name, directory, settings }: {
    name: HubName;
    directory: string;
    settings: HubSettings;
  },
): Promise<Located[]> {
  const located = async (file: HubFile, side: Located["side"]) => {
    const path = rawPath(directory, file);
    const stat = await Deno.stat(path).catch(() => null);
    const isHere = stat?.isFile && stat.size === file.sizeBytes;
    return {
      file,
      side,
      path: isHere ? path : await findShared(name, file, settings),
    };
  };
  return await Promise.all([
    ...train.map((file) => located(file, "train")),
    ...val.map((file) => located(file, "val")),
  ]);
}

async function download(
  { listing, located }: { listing: HubListing; located: Located[] },
  { name, directory, settings, options }: {
    name: HubName;
    directory: string;
    settings: HubSettings;
    options: FetchOptions;
  },
): Promise<void> {
  const missing = located.filter(({ path }) => path === null)
    .map(({ file }) => file);
  if (missing.length === 0) return;
  const bytes = missing.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const size = `${missing.length} of ${located.length} files ` +
    `(${formatBytes(bytes)})`;
  if (settings.offline) {
    throw new UserError(
      `Cannot use dataset "${name.name}": ${size} are not downloaded, and ` +
        "HF_HUB_OFFLINE is set",
      {
        hint: "unset it, or run hearth data prepare where there is a network",
        exitCode: EXIT.usage,
      },
    );
  }
  await downloadAll(
    missing.map((file) =>
      hubDownload(name, file, {
        path: rawPath(directory, file),
        settings,
        from: listing,
      })
    ),
    directory,
    {
      ...networkOptions(options, settings),
      onProgress: options.onProgress,
    },
  );
}

async function describe(
  file: HubFile,
  { name, side, path, column }: {
    name: HubName;
    side: Located["side"];
    path: string;
    column?: string;
  },
): Promise<TextFile> {
  const { size, mtime } = await Deno.stat(path);
  const { format, compression } = formatOf(file.path);
  const isJson = /\.json(\.gz|\.zst)?$/i.test(file.path);
  return {
    path,
    name: `hf:${name.repo}/${file.path}`,
    format: isJson ? "jsonl" : format,
    compression,
    sizeBytes: size,
    mtimeMs: mtime?.getTime() ?? 0,
    ...column ? { column } : {},
    ...isWikitext(name.repo) ? { rows: "wikitext" as const } : {},
    ...file.sha256 ? { sha256: file.sha256 } : {},
    ...side === "val" ? { side } : {},
  };
}

/** Inside of `directory`, whatever the hub says. */
export function rawPath(directory: string, file: HubFile): string {
  const content = file.sha256 ?? file.gitSha1 ??
    textSha256(`${file.path} ${file.sizeBytes}`);
  const name = posix.basename(file.path);
  if (!/^[0-9a-f]{12,}$/.test(content) || !isOneName(name)) {
    throw new UserError(
      `Cannot download "${file.path}": its name or checksum is none`,
      { hint: "check HF_ENDPOINT, or download it by hand" },
    );
  }
  return join(directory, content.slice(0, 12), name);
}

function offlineWithout(name: HubName): UserError {
  return new UserError(
    `Cannot use dataset "${name.name}": it is not downloaded, and ` +
      "HF_HUB_OFFLINE is set",
    {
      hint: "unset it, or run hearth data prepare where there is a network",
      exitCode: EXIT.usage,
    },
  );
}
