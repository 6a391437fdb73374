/**
 * Files of the hub as downloads, and what their folder here is called.
 *
 * @module
 */

import type { RemoteFile } from "../net/download.ts";
import type { HubRepo } from "./hub_name.ts";
import { fileUrl, type HubFile, hubHeaders, hubRefusal } from "./listing.ts";
import type { HubSettings } from "./settings.ts";

/**
 * A file of the hub that goes to `path`.
 *
 * @param repo What was asked for.
 * @param options.from Where the hub has it, if at another revision.
 */
export function hubDownload(
  repo: HubRepo,
  file: HubFile,
  { path, settings, from = repo }: {
    path: string;
    settings: HubSettings;
    from?: HubRepo;
  },
): RemoteFile {
  return {
    url: fileUrl(from, file.path, settings),
    headers: hubHeaders(settings),
    name: `${repo.repo}/${file.path}`,
    path,
    sizeBytes: file.sizeBytes,
    sha256: file.sha256,
    gitSha1: file.gitSha1,
    refusal: (response) => hubRefusal(response, repo, settings),
  };
}

/** `owner--name`, or `owner--name@revision`: fit for any file system. */
export function hubFolderName({ repo, revision }: HubRepo): string {
  const words = revision === "main" ? [repo] : [repo, revision];
  return words.join("@").replaceAll("/", "--").replaceAll(/[^\w.@-]/g, "_");
}
