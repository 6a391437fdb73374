/**
 * The form of a text to write: its fields, and what they mean as settings of
 * `generate`. Pure.
 *
 * @module
 */

import { UserError } from "../../base/errors.ts";
import {
  DEFAULT_GENERATION,
  type GenerationSettings,
  resolveGeneration,
} from "../../generate/generate.ts";
import type { Field, Values } from "./fields.ts";
import type { Problems } from "./form_lines.ts";

/** A number among the settings: its flag, and the key that it sets. */
const NUMBERS: readonly {
  flag: string;
  key: keyof GenerationSettings;
  label: string;
  hint: string;
}[] = [
  {
    flag: "max-new-tokens",
    key: "maxNewTokens",
    label: "tokens",
    hint: "most tokens to draw",
  },
  {
    flag: "temperature",
    key: "temperature",
    label: "temperature",
    hint: "0: the most likely token, 1: as learned",
  },
  {
    flag: "top-k",
    key: "topK",
    label: "top-k",
    hint: "draw from this many likely tokens; 0: all",
  },
  {
    flag: "top-p",
    key: "topP",
    label: "top-p",
    hint: "draw from tokens up to this probability",
  },
  {
    flag: "repetition-penalty",
    key: "repetitionPenalty",
    label: "repetition",
    hint: "above 1: avoid tokens seen before",
  },
  { flag: "seed", key: "seed", label: "seed", hint: "same seed, same text" },
];

/** The fields, given the models to choose from: `owl-1/latest` and so on. */
export function generateFields(models: readonly string[]): Field[] {
  return [
    {
      name: "prompt",
      label: "prompt",
      hint: "text to continue; empty: the model begins by itself",
      placeholder: "the model begins by itself",
    },
    {
      name: "model",
      label: "model",
      hint: "what writes: a run, RUN/best or RUN/500",
      placeholder: models[0] ?? "none",
      suggestions: models.slice(1),
    },
    {
      name: "beside",
      label: "beside",
      hint: "another that writes the same, for comparison",
      placeholder: "none",
      suggestions: models,
    },
    ...NUMBERS.map(({ flag, key, label, hint }): Field => ({
      name: flag,
      label,
      hint,
      placeholder: String(DEFAULT_GENERATION[key]),
    })),
  ];
}

/** Reads a number as the command line does. */
function numberOf(text: string): number {
  return text.trim() === "" ? NaN : Number(text);
}

/** What was filled in. */
function givenSettings(values: Values): Partial<GenerationSettings> {
  return Object.fromEntries(
    NUMBERS.filter(({ flag }) => (values[flag] ?? "").trim() !== "")
      .map(({ flag, key }) => [key, numberOf(values[flag])]),
  );
}

/** The settings. @throws {UserError} As `resolveGeneration`. */
export function generateSettings(values: Values): GenerationSettings {
  return resolveGeneration(givenSettings(values));
}

/** What is wrong, by field. */
export function generateProblems(values: Values): Problems {
  const problems: Record<string, string> = {};
  for (const { flag, key } of NUMBERS) {
    const text = (values[flag] ?? "").trim();
    if (text === "") continue;
    try {
      resolveGeneration({ [key]: numberOf(text) });
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      problems[flag] = /: (expected .*)$/.exec(error.message)![1];
    }
  }
  return problems;
}

/** The next seed: what `again` writes with. */
export function withNextSeed(values: Values): Values {
  const { seed } = generateSettings(values);
  return { ...values, seed: String(seed + 1) };
}
