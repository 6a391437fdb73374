/**
 * The form of a new run: its fields, and what they mean as arguments of
 * `hearth train` and as settings. Pure but for reading profiles.
 *
 * @module
 */

import { EXIT, UserError } from "../../base/errors.ts";
import type { FindBase } from "../../config/base_settings.ts";
import {
  CONFIG_FLAGS,
  type ConfigFlag,
  flagSetting,
} from "../../config/config_flags.ts";
import type { HearthConfig } from "../../config/hearth_config.ts";
import { type ConfigSources, loadConfig } from "../../config/load.ts";
import { flagLayer, type FlagSetting, setLayer } from "../../config/parse.ts";
import { PROFILE_NAMES, type ProfileName } from "../../config/profile_names.ts";
import { PROFILES } from "../../config/profiles.ts";
import {
  type QuestionFlag,
  RUN_QUESTIONS,
} from "../../config/run_questions.ts";
import { PUBLIC_SOURCES } from "../../data/sources/public_sources.ts";
import { namesStdin } from "../../data/sources/stdin_text.ts";
import { checkRunId } from "../../run/files/run_id.ts";
import { checkSettings } from "../../train/check_settings.ts";
import type { Field, Values } from "./fields.ts";
import type { Problems } from "./form_lines.ts";
import {
  otherAssignments,
  otherFlags,
  otherWords,
  type TypedFlag,
} from "./other_settings.ts";

/** In the field of the profile: there is none. */
const NO_PROFILE = "none";
const USUAL_PROFILE = "tiny";

const CHOICES: Partial<Record<QuestionFlag, readonly string[]>> = {
  profile: [...PROFILE_NAMES, NO_PROFILE],
  detach: ["yes", "no"],
};

/** What an empty dataset may be replaced with. */
const DATASETS = PUBLIC_SOURCES.map(({ name }) => name);

/** Fields that are there when the model is one that is trained on. */
const OF_ADAPTERS: readonly string[] = CONFIG_FLAGS
  .filter(({ path }) => path.startsWith("lora.")).map(({ name }) => name);

function configFlag(name: string): ConfigFlag | undefined {
  return CONFIG_FLAGS.find((flag) => flag.name === name);
}

/** The profile that the form names, if it names one. */
export function profileOf(values: Values): ProfileName | undefined {
  const profile = values.profile || emptyProfile(values);
  return PROFILE_NAMES.find((name) => name === profile);
}

/** A model or a file says more than a profile that nobody has chosen. */
function emptyProfile(values: Values): string {
  if (isFilled(values, "config")) return "as in the file";
  return isFilled(values, "from") ? NO_PROFILE : USUAL_PROFILE;
}

/**
 * The fields.
 *
 * @param known.meant What empty fields come to; null while it is read.
 * @param known.models To train on, as `from` names them.
 */
export function runFields(
  values: Values,
  { meant, models }: {
    meant: HearthConfig | null;
    models: readonly string[];
  },
): Field[] {
  const isAdapted = ["from", ...OF_ADAPTERS]
    .some((name) => isFilled(values, name));
  const suggestions: Partial<Record<QuestionFlag, readonly string[]>> = {
    dataset: DATASETS,
    from: models,
  };
  return RUN_QUESTIONS
    .filter(({ flag }) => isAdapted || !OF_ADAPTERS.includes(flag))
    .map(({ flag, label, message, empty }): Field => {
      const setting = configFlag(flag);
      return {
        name: flag,
        label,
        hint: message,
        placeholder: placeholderOf(flag, values, meant) ?? empty,
        choices: CHOICES[flag] ?? setting?.choices,
        suggestions: suggestions[flag],
      };
    });
}

function placeholderOf(
  flag: QuestionFlag,
  values: Values,
  meant: HearthConfig | null,
): string | null {
  const rivals: Record<string, string> = { epochs: "steps", steps: "epochs" };
  if (flag === "profile") return emptyProfile(values);
  if (flag === "dataset" && needsDataset(profileOf(values))) return "its path";
  if (rivals[flag] && isFilled(values, rivals[flag])) return "–";
  return meantValue(meant, configFlag(flag));
}

function needsDataset(profile: ProfileName | undefined): boolean {
  return profile !== undefined && PROFILES[profile].needsDataset;
}

function meantValue(
  meant: HearthConfig | null,
  flag: ConfigFlag | undefined,
): string | null {
  if (meant === null || flag === undefined) return null;
  let value: unknown = meant;
  for (const key of flag.path.split(".")) {
    value = (value as Record<string, unknown> | undefined)?.[key];
  }
  if (flag.path === "train.batchSize" && value === 0) return "auto";
  if (flag.path === "train.epochs" && value === undefined) {
    return meant.train.steps === undefined ? "1" : "–";
  }
  if (flag.path === "train.steps" && value === undefined) return "–";
  if (value === undefined) return null;
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** The settings as `hearth train` would read them. */
export function runSources(values: Values): ConfigSources {
  const from = textOf(values, "from");
  return {
    profile: profileOf(values),
    file: textOf(values, "config") || undefined,
    flags: [
      ...joined([...fieldFlags(values), ...otherFlags(textOf(values, "set"))]),
      ...from === "" ? [] : [fromSetting(from)],
    ],
    set: otherAssignments(textOf(values, "set")),
  };
}

function fromSetting(from: string): FlagSetting {
  return { path: "from", value: from, typed: `--from ${from}` };
}

/** Flags that have a field with something in it. */
function fieldFlags(values: Values): TypedFlag[] {
  return CONFIG_FLAGS.filter(({ name }) => isFilled(values, name))
    .map((flag) => ({ flag, typed: textOf(values, flag.name) }));
}

/** Of a flag that comes again, the last one counts; lists grow. */
function joined(given: readonly TypedFlag[]): FlagSetting[] {
  const flags = new Set(given.map(({ flag }) => flag));
  return [...flags].map((flag) => {
    const all = given.filter((one) => one.flag === flag)
      .map(({ typed }) => typed);
    return flagSetting(
      flag,
      flag.kind === "list" ? all as string[] : all.at(-1)!,
    );
  });
}

/** Only the fields of the form count, and only with something in them. */
function isFilled(values: Values, name: string): boolean {
  return RUN_QUESTIONS.some(({ flag }) => flag === name) &&
    textOf(values, name) !== "";
}

function textOf(values: Values, name: string): string {
  return (values[name] ?? "").trim();
}

/** The arguments of `hearth` that train the same run. */
export function runArgs(values: Values): string[] {
  const flag = (name: QuestionFlag): string[] => {
    const value = name === "profile"
      ? profileOf(values) ?? ""
      : textOf(values, name);
    return value === "" ? [] : [`--${name}`, value];
  };
  return [
    "train",
    ...RUN_QUESTIONS.map(({ flag }) => flag)
      .filter((name) => name !== "set" && name !== "detach")
      .flatMap(flag),
    ...otherWords(textOf(values, "set")),
    ...(isDetached(values) ? ["--detach"] : []),
  ];
}

/** Whether the run is to go on without the dashboard. */
export function isDetached(values: Values): boolean {
  return values.detach !== "no";
}

/** Beside a field, its name and value need not be told again. */
function whatIsExpected(message: string): string {
  return /: (expected .*)$/.exec(message)?.[1] ?? message;
}

/** What is wrong with single fields. */
export function fieldProblems(values: Values): Problems {
  const problems: Record<string, string> = {};
  const check = (name: string, test: () => void, words = whatIsExpected) => {
    try {
      test();
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      problems[name] = words(error.message);
    }
  };
  for (const one of fieldFlags(values)) {
    check(one.flag.name, () => flagLayer(joined([one])));
  }
  const runId = textOf(values, "run-id");
  if (runId !== "") check("run-id", () => checkRunId(runId));
  const set = textOf(values, "set");
  check("set", () => {
    flagLayer(joined(otherFlags(set)));
    setLayer(otherAssignments(set));
  }, (message) => message);
  return problems;
}

/**
 * The settings of the form, checked as those of a command line.
 *
 * @param findBase Looks up what `from` names.
 * @throws {UserError} What is wrong with them.
 */
export async function runConfig(
  values: Values,
  findBase: FindBase,
): Promise<HearthConfig> {
  const config = await loadConfig({ ...runSources(values), findBase });
  checkSettings(config);
  if (namesStdin(config.data)) throw noStdin();
  return config;
}

function noStdin(): UserError {
  return new UserError(
    'Cannot read dataset "-": standard input is a terminal',
    { hint: "name a file or a folder", exitCode: EXIT.usage },
  );
}

/**
 * What empty fields come to while what is filled in is wrong: what profile,
 * file and model say. Null if one of these is wrong.
 */
export async function meantSettings(
  { profile = "", config = "", from = "" }: Values,
  findBase: FindBase,
): Promise<HearthConfig | null> {
  const values = { profile, config, from };
  const sources = runSources(values);
  try {
    // Profiles for one text want it named; here it does not matter.
    const set = needsDataset(profileOf(values)) ? ["data.dataset=sample"] : [];
    return await loadConfig({ ...sources, set, findBase });
  } catch {
    return null; // runConfig() tells it
  }
}
