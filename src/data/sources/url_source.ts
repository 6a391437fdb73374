/**
 * A text from an address: downloaded once, then read from the disk.
 *
 * @module
 */

import { join } from "node:path";
import { EXIT, UserError } from "../../base/errors.ts";
import { textSha256 } from "../../base/sha256.ts";
import { hubSettings, processEnv } from "../hub/settings.ts";
import type { RemoteFile } from "../net/download.ts";
import { downloadAll } from "../net/download_all.ts";
import type { TextFile } from "../text/file_bytes.ts";
import {
  formatOf,
  isArchive,
  otherFormat,
  TEXT_EXTENSIONS,
} from "../text/file_names.ts";
import { type FetchOptions, networkOptions } from "./fetch_options.ts";
import { listArchive } from "./local_files.ts";
import {
  rawDirectory,
  readUrlRecord,
  type UrlRecord,
  writeRecord,
} from "./raw_files.ts";

/** What is known of the content before it comes. */
export interface ExpectedContent {
  sizeBytes?: number;
  sha256?: string;
}

/** Whether a source is an address of this kind. */
export function isUrl(name: string): boolean {
  return /^https?:\/\//i.test(name);
}

/**
 * The file at `address`, or the files in it.
 *
 * @throws {UserError} For an address that is none, and for all that goes
 * wrong on the way.
 */
export async function fetchUrl(
  address: string,
  { sizeBytes, sha256 }: ExpectedContent,
  options: FetchOptions,
): Promise<TextFile[]> {
  const url = checkAddress(address);
  const name = fileName(url);
  const directory = join(
    rawDirectory(options.dataDir),
    `${url.hostname}-${textSha256(url.href).slice(0, 12)}`,
  );
  const path = join(directory, name);
  let record = options.refresh ? null : await readUrlRecord(directory);
  const stat = await Deno.stat(path).catch(() => null);
  if (record === null || !stat?.isFile || stat.size !== record.sizeBytes) {
    record = await download(
      url,
      { directory, path, sizeBytes, sha256 },
      options,
    );
  }
  const { mtime } = await Deno.stat(path);
  const file: TextFile = {
    path,
    name: address,
    ...formatOf(name),
    sizeBytes: record.sizeBytes,
    mtimeMs: mtime?.getTime() ?? 0,
  };
  if (isArchive(name)) return await listArchive(file);
  return [{ ...file, sha256: record.sha256 }];
}

async function download(
  url: URL,
  { directory, path, sizeBytes, sha256 }: ExpectedContent & {
    directory: string;
    path: string;
  },
  options: FetchOptions,
): Promise<UrlRecord> {
  const settings = await hubSettings(options.env ?? processEnv);
  if (settings.offline) {
    throw new UserError(
      `Cannot use dataset "${url}": it is not downloaded, and HF_HUB_OFFLINE ` +
        "is set",
      {
        hint: "unset it, or download the file and give its path",
        exitCode: EXIT.usage,
      },
    );
  }
  // A file from before is replaced only by a whole one.
  let record: UrlRecord | null = null;
  const remote: RemoteFile = {
    url: url.href,
    headers: {},
    name: url.href,
    path,
    sizeBytes: sizeBytes ?? null,
    sha256,
    async record(downloaded) {
      record = {
        version: 1,
        url: url.href,
        file: fileName(url),
        sizeBytes: downloaded.sizeBytes,
        sha256: downloaded.sha256,
        fetchedAtMs: Date.now(),
      };
      await writeRecord(directory, record);
    },
  };
  for (;;) {
    await downloadAll([remote], directory, {
      ...networkOptions(options, settings),
      onProgress: options.onProgress,
    });
    if (record !== null) return record;
    // Another process has brought it, and recorded it if it was not killed.
    const recorded = await readUrlRecord(directory);
    const { size } = await Deno.stat(path);
    if (recorded?.sizeBytes === size) return recorded;
  }
}

function checkAddress(address: string): URL {
  const url = URL.parse(address);
  const usage = { exitCode: EXIT.usage };
  if (url === null || url.hostname === "") {
    throw new UserError(`Cannot use dataset "${address}": it is no address`, {
      hint: "write it such as https://example.org/poems.txt",
      ...usage,
    });
  }
  const other = otherFormat(url.pathname);
  if (other !== undefined) {
    throw new UserError(
      `Cannot use "${address}" as text: ${other} files cannot be read`,
      {
        hint: `turn it into ${TEXT_EXTENSIONS.join(", ")}, plain or with .gz ` +
          "or .zst",
        ...usage,
      },
    );
  }
  url.hash = "";
  // The page about a file of the hub, where the file itself is meant.
  if (url.host === "huggingface.co") {
    url.pathname = url.pathname.replace(
      /^(\/(?:datasets\/)?[^/]+\/[^/]+)\/blob\//,
      "$1/resolve/",
    );
  }
  return url;
}

/** The last part of the path, fit for any file system. */
function fileName(url: URL): string {
  const last = url.pathname.split("/").at(-1)!;
  const clean = last.replaceAll(/[^\w.-]+/g, "_").replace(/^\.+/, "").slice(
    -100,
  );
  return clean || "download";
}
