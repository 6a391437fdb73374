/**
 * From what the user wrote to a complete, validated configuration.
 *
 * @module
 */

import { errorMessage, EXIT, UserError } from "../base/errors.ts";
import { ioProblem } from "../base/io_problem.ts";
import { readShortText } from "../base/limited_file.ts";
import {
  type BaseSettings,
  checkAgainstBase,
  type FindBase,
  underlay,
} from "./base_settings.ts";
import {
  checkHasDataset,
  checkStepsOrEpochs,
  checkTogether,
} from "./cross_checks.ts";
import type { HearthConfig } from "./hearth_config.ts";
import { emptySettings, type Layer, type Settings } from "./layer.ts";
import { mergeSettings } from "./merge.ts";
import { nearMiss } from "./near_miss.ts";
import {
  flagLayer,
  type FlagSetting,
  parseFileLayer,
  setLayer,
} from "./parse.ts";
import type { ProfileName } from "./profile_names.ts";
import { PROFILES } from "./profiles.ts";
import { configSchema } from "./schema.ts";

/** Where settings come from, weakest first; each may be left out. */
export interface ConfigSources {
  /** A name of {@linkcode PROFILES}; also a `profile` key in the file. */
  profile?: string;
  /** Path of a YAML or JSON file. */
  file?: string;
  /** Settings by their path, as a command line gives them. */
  flags?: readonly FlagSetting[];
  /** `key.path=value` assignments. */
  set?: readonly string[];
  /** Looks up what `from` names; without it, `from` is refused. */
  findBase?: FindBase;
}

/**
 * Merges profile, file, flags and assignments, in that order, over the
 * defaults: what is written later, or more by hand, wins.
 *
 * @throws {UserError} With exit code 2 for anything wrong in any of them.
 */
export async function loadConfig(
  sources: ConfigSources,
): Promise<HearthConfig> {
  const layers: Layer[] = [];
  if (sources.file !== undefined) {
    layers.push(parseFileLayer(await readFile(sources.file), sources.file));
  }
  layers.push(flagLayer(sources.flags ?? []), setLayer(sources.set ?? []));
  layers.forEach(checkStepsOrEpochs);

  const named = layers.findLast((layer) => layer.settings.profile != null);
  const profile = sources.profile ?? named?.settings.profile as string;
  const given = layers.map((layer) => layer.settings)
    .reduce(mergeSettings, emptySettings());
  const below = profile === undefined
    ? emptySettings()
    : { ...profileLayer(profile).settings };
  const base = await findBase(given.from, sources);
  if (base) {
    checkAgainstBase(given, base);
    delete below.model; // of a profile only how it trains
    delete below.tokenizer;
  }

  const merged = [
    BELOW_ALL,
    base ? underlay(base, given) : emptySettings(),
    below,
    ...layers.map((layer) => layer.settings),
  ].reduce(mergeSettings, emptySettings());
  if (base) merged.from = base.from; // by a name that stays
  delete merged.$schema;
  delete merged.profile;
  if (profile !== undefined) checkHasDataset(profile, merged);
  const config = configSchema.parse(merged);
  checkTogether(config);
  return config;
}

async function findBase(
  from: unknown,
  { findBase }: ConfigSources,
): Promise<BaseSettings | null> {
  if (typeof from !== "string") return null;
  if (findBase) return await findBase(from);
  throw new UserError(`Cannot use from "${from}" here`, {
    hint: "only hearth train starts from a trained model",
    exitCode: EXIT.usage,
  });
}

/** What holds unless a person sets `warmupSteps`, which a library means. */
const BELOW_ALL: Settings = { train: { warmupFraction: 0.1 } };

/** The settings of the profile called `name`. @throws {UserError} */
function profileLayer(name: string): Layer {
  if (!Object.hasOwn(PROFILES, name)) {
    const names = Object.keys(PROFILES);
    const meant = nearMiss(name, names);
    throw new UserError(
      `Cannot use profile "${name}": expected one of ${names.join(", ")}`,
      {
        hint: meant ? `did you mean ${meant}?` : "hearth train --profile tiny",
        exitCode: EXIT.usage,
      },
    );
  }
  const { text } = PROFILES[name as ProfileName];
  return parseFileLayer(text, `configs/${name}.yaml`);
}

/** Reading keys takes the square of their number: 2.5 s for so many. */
const MOST_CHARACTERS = 1 << 16;

async function isDirectory(path: string): Promise<boolean> {
  return await Deno.stat(path).then((stat) => stat.isDirectory, () => false);
}

async function readFile(path: string): Promise<string> {
  try {
    const text = await readShortText(path, 4 * MOST_CHARACTERS);
    if (text.length <= MOST_CHARACTERS) return text;
    throw new RangeError(
      `it has ${text.length} characters, expected at most ${MOST_CHARACTERS}`,
    );
  } catch (cause) {
    const problem = cause instanceof Deno.errors.NotFound
      ? "there is no such file"
      : ioProblem(cause) ??
        (await isDirectory(path) ? "it is a folder" : errorMessage(cause));
    throw new UserError(`Cannot read config "${path}": ${problem}`, {
      hint: "hearth init writes a configuration file",
      exitCode: EXIT.usage,
      cause,
    });
  }
}
