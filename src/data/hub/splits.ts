/**
 * Which files of a repository are for training and which for validation.
 *
 * The head of README.md says it where the owner wrote it down. Without it, the
 * names tell, in the order that the hub's own library looks at them: shards
 * `train-00000-of-00002`, folders `train/`, the word in a file's name. Test
 * splits are left alone.
 * Source: Hugging Face, "Structure your repository" and "Manual
 * configuration" of the hub's documentation.
 *
 * @module
 */

import { posix } from "node:path";
import { parse } from "yaml";
import { z } from "zod";
import { EXIT, UserError } from "../../base/errors.ts";
import { matchesGlob } from "./glob.ts";
import type { HubName } from "./hub_name.ts";
import { type HubFile, type HubListing, isData } from "./listing.ts";

/** Files by what they are for, each in order. */
export interface ChosenFiles {
  train: HubFile[];
  val: HubFile[];
  /** Column with the text, if the name says one. */
  column?: string;
}

type Split = "train" | "val" | "test";

const SPLIT_WORDS: ReadonlyMap<string, Split> = new Map([
  ["train", "train"],
  ["training", "train"],
  ["validation", "val"],
  ["valid", "val"],
  ["val", "val"],
  ["dev", "val"],
  ["test", "test"],
  ["testing", "test"],
  ["eval", "test"],
]);

/** As people write `data_files` in the head of README.md. */
const patternSchema = z.union([z.string(), z.array(z.string())]);
const configSchema = z.object({
  config_name: z.string().default("default"),
  default: z.boolean().default(false),
  data_dir: z.string().default(""),
  data_files: z.union([
    patternSchema,
    z.array(z.object({ split: z.string(), path: patternSchema })),
  ]).optional(),
});
const cardSchema = z.object({ configs: z.array(configSchema).default([]) });
type CardConfig = z.output<typeof configSchema>;

/**
 * The files that `name` means.
 *
 * @throws {UserError} When it could mean several, or nothing.
 */
export function chooseFiles(
  { files, card, ...listing }: HubListing,
  name: HubName,
): ChosenFiles {
  const configs = cardConfigs(card);
  const { config, column } = pickConfig(configs, files, name);
  const found = typeof config === "string" || config === null
    ? byNames(oneFormat(files.filter((file) => isOf(file, config))))
    : bySplitsOfCard(config, files);
  if (found.train.length === 0) {
    throw new UserError(
      `Cannot use dataset "${name.name}": it has no files ` +
        (found.val.length > 0 ? "for training" : "that can be read"),
      {
        hint:
          `look at ${listing.endpoint}/datasets/${listing.repo}; Parquet, ` +
          "JSON Lines and plain text can be read",
        exitCode: EXIT.usage,
      },
    );
  }
  return { ...found, ...column ? { column } : {} };
}

/** The configs that the head of a README.md names. */
function cardConfigs(card: string | null): CardConfig[] {
  const head = /^---\r?\n(.*?)\r?\n---/s.exec(card ?? "")?.[1];
  if (head === undefined) return [];
  try {
    const { configs } = cardSchema.parse(
      parse(head, { logLevel: "error" }), // its warnings go to the console
    );
    return configs.filter(({ data_files }) => data_files !== undefined);
  } catch {
    return []; // the names of the files still tell
  }
}

/**
 * Which config is meant: one of the card, a folder, or null for all files.
 * A word that names no config is a column.
 */
function pickConfig(
  configs: CardConfig[],
  files: HubFile[],
  name: HubName,
): { config: CardConfig | string | null; column?: string } {
  const names = configs.length > 0
    ? configs.map(({ config_name }) => config_name)
    : folderConfigs(files);
  const config = (wanted: string) =>
    configs.find(({ config_name }) => config_name === wanted) ?? wanted;
  if (name.config !== undefined && names.includes(name.config)) {
    return { config: config(name.config), column: name.column };
  }
  if (name.config !== undefined && name.column !== undefined) {
    throw noConfig(name, names);
  }
  const column = name.config ?? name.column;
  if (names.length <= 1) return { config: configs[0] ?? null, column };
  const usual = configs.find((config) => config.default)?.config_name ??
    names.find((name) => name === "default");
  if (usual !== undefined) return { config: config(usual), column };
  throw noConfig(name, names);
}

function noConfig(name: HubName, names: string[]): UserError {
  const shown = names.slice(0, 8).join(", ") + (names.length > 8 ? ", …" : "");
  return new UserError(
    name.config === undefined
      ? `Cannot tell which part of "${name.name}" is meant: it has ${shown}`
      : `There is no "${name.config}" in dataset "${name.repo}"` +
        (names.length > 0 ? `: it has ${shown}` : ""),
    {
      hint: names.length > 0
        ? `name one: hf:${name.repo}:${names[0]}`
        : `leave it out: hf:${name.repo}::${name.column}`,
      exitCode: EXIT.usage,
    },
  );
}

/** Folders at the top, if all data is in such, one for each config. */
function folderConfigs(files: HubFile[]): string[] {
  const tops = new Set<string>();
  for (const { path } of oneFormat(files)) {
    const [top, ...rest] = path.split("/");
    if (rest.length === 0 || top === "data" || SPLIT_WORDS.has(top)) return [];
    tops.add(top);
  }
  return [...tops];
}

function isOf({ path }: HubFile, config: string | null): boolean {
  return config === null || path.split("/").slice(0, -1).includes(config);
}

function bySplitsOfCard(
  { data_files: wanted, data_dir }: CardConfig,
  files: HubFile[],
): Omit<ChosenFiles, "column"> {
  const lists = Array.isArray(wanted) && typeof wanted[0] === "object"
    ? wanted as { split: string; path: string | string[] }[]
    : [{ split: "train", path: wanted as string | string[] }];
  const matching = (split: Split) =>
    lists.filter((list) => SPLIT_WORDS.get(list.split) === split)
      .flatMap(({ path }) => path)
      .flatMap((pattern) =>
        sorted(
          files.filter(({ path }) =>
            matchesGlob(path, posix.join(data_dir, pattern))
          ),
        )
      );
  return { train: unique(matching("train")), val: unique(matching("val")) };
}

/** A repository may hold the same rows in several formats; one is enough. */
function oneFormat(files: HubFile[]): HubFile[] {
  const data = files.filter(isData);
  const formats = [/\.parquet$/i, /\.(jsonl|ndjson)\b/i, /\.json\b/i, /./];
  const format = formats.find((format) =>
    data.some(({ path }) => format.test(path))
  );
  return format ? data.filter(({ path }) => format.test(path)) : [];
}

function byNames(files: HubFile[]): Omit<ChosenFiles, "column"> {
  for (const splitOf of [splitOfShard, splitOfFolder, splitOfWord]) {
    const all = files.map((file) => ({ file, split: splitOf(file.path) }));
    if (all.every(({ split }) => split === null)) continue;
    const only = (wanted: Split) =>
      sorted(
        all.filter(({ split }) => split === wanted)
          .map(({ file }) => file),
      );
    return { train: only("train"), val: only("val") };
  }
  return { train: sorted(files), val: [] };
}

function splitOfShard(path: string): Split | null {
  const name = /([a-z]+)-\d{5}-of-\d{5}/i.exec(posix.basename(path))?.[1];
  return SPLIT_WORDS.get(name?.toLowerCase() ?? "") ?? null;
}

function splitOfFolder(path: string): Split | null {
  const folders = posix.dirname(path).split("/");
  const found = folders.map((name) => name.replace(/^partial-/, ""))
    .find((name) => SPLIT_WORDS.has(name));
  return SPLIT_WORDS.get(found ?? "") ?? null;
}

function splitOfWord(path: string): Split | null {
  const words = posix.basename(path).toLowerCase().split(/[^a-z]+/);
  const found = words.find((word) => SPLIT_WORDS.has(word));
  return SPLIT_WORDS.get(found ?? "") ?? null;
}

function sorted(files: HubFile[]): HubFile[] {
  return files.toSorted((a, b) => a.path < b.path ? -1 : 1);
}

function unique(files: HubFile[]): HubFile[] {
  return [...new Set(files)];
}
