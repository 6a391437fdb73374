/**
 * Settings of a run that trains a given model on: what is fixed with the
 * model, and what suits fine-tuning.
 *
 * @module
 */

import { EXIT, UserError } from "../base/errors.ts";
import { formatSetting } from "./config_change.ts";
import type { HearthConfig } from "./hearth_config.ts";
import { type Settings, valueAt } from "./layer.ts";

/** A checkpoint that training starts from. */
export interface BaseSettings {
  /** As in `from`, such as `owl-1/step-00000500`. */
  from: string;
  /** The model it holds. */
  model: HearthConfig["model"];
  /** What its ids mean. */
  tokenizer: HearthConfig["tokenizer"];
}

/** Finds what `from` means. @throws {UserError} If there is none. */
export type FindBase = (from: string) => Promise<BaseSettings>;

/** Gentler than for new parameters: they have something to lose. */
const FINE_TUNING = { lr: 1e-4, warmupSteps: 20, warmupFraction: 0.1 };
/** Adapters are new, and their best rate is about ten times as high. */
const ADAPTING = { ...FINE_TUNING, lr: 1e-3 };

/** A run may have these as it likes. */
const FREE = new Set(["seqLen", "dropout"]);

/**
 * The settings to lay under those that a person wrote.
 *
 * @param given What a person wrote.
 */
export function underlay(base: BaseSettings, given: Settings): Settings {
  const { model, tokenizer } = base;
  const train = valueAt(given, ["lora", "rank"]) == null
    ? FINE_TUNING
    : ADAPTING;
  return { model: { ...model, dropout: 0 }, tokenizer, train };
}

/**
 * Refuses settings that would make another model or tokenizer.
 *
 * @param given What a person wrote.
 */
export function checkAgainstBase(given: Settings, base: BaseSettings): void {
  for (const section of ["model", "tokenizer"] as const) {
    const written = valueAt(given, [section]) as Settings | undefined;
    for (const [key, value] of Object.entries(written ?? {})) {
      const fixed = valueAt(base, [section, key]);
      if (value === null || value === fixed || FREE.has(key)) continue;
      throw new UserError(
        `Cannot use ${section}.${key} ${formatSetting(value)} with from ` +
          `"${base.from}": its model has ${formatSetting(fixed ?? null)}`,
        {
          hint: "leave it out: a model that is trained on stays what it is",
          exitCode: EXIT.usage,
        },
      );
    }
  }
}
