/**
 * The form of a new run: its fields, and what they mean as arguments of
 * `hearth train` and as settings. Pure but for reading profiles.
 *
 * @module
 */

import { UserError } from "../../base/errors.ts";
import {
  CONFIG_FLAGS,
  type ConfigFlag,
  flagSetting,
} from "../../config/config_flags.ts";
import { type ConfigSources, loadConfig } from "../../config/load.ts";
import { flagLayer, setLayer } from "../../config/parse.ts";
import { PROFILE_NAMES, type ProfileName } from "../../config/profile_names.ts";
import { PROFILES } from "../../config/profiles.ts";
import {
  type QuestionFlag,
  RUN_QUESTIONS,
} from "../../config/run_questions.ts";
import type { HearthConfig } from "../../config/schema.ts";
import { checkRunId } from "../../run/files/run_id.ts";
import { checkSettings } from "../../train/session.ts";
import type { Field, Values } from "./fields.ts";
import type { Problems } from "./form_lines.ts";

/** What a form begins with. */
export const NEW_RUN: Values = { profile: "tiny" };

const CHOICES: Partial<Record<QuestionFlag, readonly string[]>> = {
  profile: PROFILE_NAMES,
  detach: ["yes", "no"],
};

function configFlag(name: string): ConfigFlag | undefined {
  return CONFIG_FLAGS.find((flag) => flag.name === name);
}

/**
 * The fields.
 *
 * @param profile The profile's configuration, for what empty fields mean;
 * null while it is read.
 */
export function runFields(
  profileName: string,
  profile: HearthConfig | null,
): Field[] {
  return RUN_QUESTIONS.map(({ flag, label, message, empty }): Field => {
    const setting = configFlag(flag);
    return {
      name: flag,
      label,
      hint: message,
      placeholder: flag === "dataset" && needsDataset(profileName)
        ? "its path"
        : profileValue(profile, setting) ?? empty,
      choices: CHOICES[flag] ?? setting?.choices,
    };
  });
}

/** The fields, when what a profile says of the one gives way to the other. */
export function meantBy(values: Values, fields: readonly Field[]): Field[] {
  const rivals: Record<string, string> = { epochs: "steps", steps: "epochs" };
  return fields.map((field) => {
    const rival = rivals[field.name];
    return rival !== undefined && isFilled(values, rival)
      ? { ...field, placeholder: "–" }
      : field;
  });
}

function needsDataset(profile: string): boolean {
  return Object.hasOwn(PROFILES, profile) &&
    PROFILES[profile as ProfileName].needsDataset;
}

function profileValue(
  profile: HearthConfig | null,
  flag: ConfigFlag | undefined,
): string | null {
  if (profile === null || flag === undefined) return null;
  let value: unknown = profile;
  for (const key of flag.path.split(".")) {
    value = (value as Record<string, unknown> | undefined)?.[key];
  }
  if (flag.path === "train.batchSize" && value === 0) return "auto";
  if (value === undefined) {
    return flag.path === "train.epochs" && profile.train.steps === undefined
      ? "1"
      : "–";
  }
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** `model.dropout=0.1 seed=7` as assignments. */
function assignments(text: string): string[] {
  return text.split(/\s+(?=[\w.]+=)/).map((one) => one.trim()).filter(Boolean);
}

/** The settings as `hearth train` would read them. */
export function runSources(values: Values): ConfigSources {
  return {
    profile: values.profile || undefined,
    flags: CONFIG_FLAGS.filter(({ name }) => isFilled(values, name))
      .map((flag) => flagSetting(flag, typedValue(flag, values[flag.name]))),
    set: assignments(values.set ?? ""),
  };
}

function typedValue(flag: ConfigFlag, text: string): string | string[] {
  return flag.kind === "list" ? [text.trim()] : text.trim();
}

/** Only the fields of the form count, and only with something in them. */
function isFilled(values: Values, name: string): boolean {
  return RUN_QUESTIONS.some(({ flag }) => flag === name) &&
    (values[name] ?? "").trim() !== "";
}

/** The arguments of `hearth` that train the same run. */
export function runArgs(values: Values): string[] {
  const flag = (name: QuestionFlag): string[] => {
    const value = (values[name] ?? "").trim();
    return value === "" ? [] : [`--${name}`, value];
  };
  return [
    "train",
    ...RUN_QUESTIONS.map(({ flag }) => flag)
      .filter((name) => name !== "set" && name !== "detach")
      .flatMap(flag),
    ...assignments(values.set ?? "").flatMap((one) => ["--set", one]),
    ...(isDetached(values) ? ["--detach"] : []),
  ];
}

/** Whether the run is to go on without the dashboard. */
export function isDetached(values: Values): boolean {
  return values.detach !== "no";
}

/** What is wrong with single fields. */
export function fieldProblems(values: Values): Problems {
  const problems: Record<string, string> = {};
  const check = (name: string, test: () => void) => {
    try {
      test();
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      problems[name] = /: (expected .*)$/.exec(error.message)?.[1] ??
        error.message;
    }
  };
  for (const flag of CONFIG_FLAGS) {
    if (!isFilled(values, flag.name)) continue;
    const value = typedValue(flag, values[flag.name]);
    check(flag.name, () => flagLayer([flagSetting(flag, value)]));
  }
  const runId = (values["run-id"] ?? "").trim();
  if (runId !== "") check("run-id", () => checkRunId(runId));
  const set = (values.set ?? "").trim();
  if (set !== "") {
    check("set", () => {
      const list = assignments(set);
      setLayer(list.length > 0 ? list : [set]);
    });
  }
  return problems;
}

/** The settings of a form, checked as those of a command line. */
export type Checked =
  | { config: HearthConfig; problem: null }
  | { config: null; problem: UserError };

/** Reads the settings. */
export async function checkRunForm(values: Values): Promise<Checked> {
  try {
    const config = await loadConfig(runSources(values));
    checkSettings(config);
    return { config, problem: null };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { config: null, problem: error };
  }
}

/** What the profile alone means, for placeholders. */
export async function profileConfig(
  name: string,
): Promise<HearthConfig | null> {
  try {
    // Profiles for one text want it named; here it does not matter.
    return await loadConfig({ profile: name, set: ["data.dataset=sample"] });
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return null;
  }
}
