/**
 * A model of the hub, as a folder on this machine.
 *
 * Small files come first, so that a model that cannot be used is refused
 * before gigabytes are on their way. A download that breaks off goes on where
 * it was.
 *
 * @module
 */

import { basename, join } from "node:path";
import { EXIT, UserError } from "../../base/errors.ts";
import { sealOf } from "../../base/sealed_file.ts";
import { unlessGone } from "../../base/unless_gone.ts";
import { SharedFolder } from "../disk/shared_folder.ts";
import { downloadAll } from "../net/download_all.ts";
import { type FetchOptions, networkOptions } from "../sources/fetch_options.ts";
import { hubDownload, hubFolderName } from "./hub_files.ts";
import type { HubRepo } from "./hub_name.ts";
import { type HubFile, listTree, unreachable } from "./listing.ts";
import { hubSettings, processEnv } from "./settings.ts";

/** A model as a person names it: `hf:openai-community/gpt2[@revision]`. */
export interface HubModelName extends HubRepo {
  /** As it was written. */
  name: string;
}

const INDEX = "model.safetensors.index.json";
const DESCRIBING = ["config.json", "tokenizer.json"];

/** Null for a path. @throws {UserError} For half of a name. */
export function parseModelName(name: string): HubModelName | null {
  const rest = /^hf:(?:\/\/)?(.*)$/s.exec(name)?.[1];
  if (rest === undefined) return null;
  const at = rest.lastIndexOf("@");
  const repo = at < 0 ? rest : rest.slice(0, at);
  const revision = at < 0 ? "main" : rest.slice(at + 1);
  if (/^[\w-][\w.-]*(\/[\w-][\w.-]*)?$/.test(repo) && revision !== "") {
    return { name, repo, revision, isModel: true };
  }
  throw new UserError(
    `Cannot import "${name}": expected hf:OWNER/NAME[@REVISION]`,
    {
      hint: "write it such as hf:openai-community/gpt2",
      exitCode: EXIT.usage,
    },
  );
}

/**
 * Downloads what a model needs.
 *
 * @param check Looks at the folder when all but the weights is there; what it
 * throws ends the download.
 * @returns The folder, to be disposed of.
 * @throws {UserError} For everything that stands in the way.
 */
export async function fetchHubModel(
  model: HubModelName,
  options: FetchOptions & { check?: (folder: string) => Promise<unknown> },
): Promise<SharedFolder> {
  await using opened = new AsyncDisposableStack();
  const settings = await hubSettings(options.env ?? processEnv);
  if (settings.offline) {
    throw new UserError(
      `Cannot download "${model.name}": HF_HUB_OFFLINE is set`,
      { hint: "unset it, or import a folder", exitCode: EXIT.usage },
    );
  }
  const network = networkOptions(options, settings);
  options.onProgress?.({ phase: "download", done: 0, total: 0 });
  const files = await listTree(model, settings, network)
    .catch((error) => {
      throw unreachable(error, model);
    });
  const { describing, weights } = neededFiles(model, files);
  const shared = opened.use(
    await SharedFolder.open(
      join(options.dataDir, "models", hubFolderName(model)),
    ),
  );
  const folder = shared.path;
  const bring = async (wanted: readonly HubFile[]) => {
    const missing: HubFile[] = [];
    for (const file of wanted) {
      if (!await isHere(join(folder, file.path), file)) missing.push(file);
    }
    if (missing.length === 0) return;
    await downloadAll(
      missing.map((file) =>
        hubDownload(model, file, { path: join(folder, file.path), settings })
      ),
      folder,
      { ...network, onProgress: options.onProgress },
    );
  };
  await bring(describing);
  await options.check?.(folder);
  await bring(weights);
  opened.move();
  return shared;
}

/** Left by an earlier try, and still what the hub has. */
async function isHere(path: string, { sha256 }: HubFile): Promise<boolean> {
  if (sha256 === undefined) return false; // small: asked for again
  const seal = await unlessGone(sealOf(path));
  return seal?.sha256 === sha256;
}

function neededFiles(
  { name }: HubModelName,
  files: readonly HubFile[],
): { describing: HubFile[]; weights: HubFile[] } {
  const find = (path: string) => files.find((file) => file.path === path);
  const describing = DESCRIBING.map((path) => {
    const file = find(path);
    if (file) return file;
    throw lacking(name, path);
  });
  const index = find(INDEX), whole = find("model.safetensors");
  if (index) {
    // Other files of weights, such as "original/…", are the same once more.
    const shards = files.filter(({ path }) =>
      path === basename(path) && /^model-.*\.safetensors$/.test(path)
    );
    return { describing: [...describing, index], weights: shards };
  }
  if (!whole) throw lacking(name, "model.safetensors");
  return { describing, weights: [whole] };
}

function lacking(name: string, path: string): UserError {
  return new UserError(`Cannot import "${name}": it has no ${path}`, {
    hint: "choose a GPT-2 or Llama model with safetensors and tokenizer.json",
    exitCode: EXIT.usage,
  });
}
