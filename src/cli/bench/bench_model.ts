/**
 * The models that are measured: some of known size, and every profile.
 *
 * @module
 */

import { EXIT, UserError } from "../../base/errors.ts";
import type { HearthConfig } from "../../config/hearth_config.ts";
import { loadConfig } from "../../config/load.ts";
import { nearMiss } from "../../config/near_miss.ts";
import type { FlagSetting } from "../../config/parse.ts";
import { PROFILE_NAMES } from "../../config/profile_names.ts";
import { type ModelConfig, resolveModel } from "../../model/model_config.ts";
import { BENCH_SHAPES, type BenchShape } from "./shapes.ts";

/** What to measure. */
export interface BenchModel {
  readonly profile: string;
  readonly model: ModelConfig;
  /** With batch size, optimizer, device, threads, precision. */
  readonly config: HearthConfig;
}

/** Distinct characters of the text that the character profiles are made for. */
const SHAKESPEARE_CHARACTERS = 65;

/**
 * The model called `profile`, a name of {@linkcode BENCH_SHAPES} or of a
 * training profile, changed by `flags`.
 *
 * @throws {UserError} If there is no such profile, or the flags do not fit.
 */
export async function benchModel(
  profile: string,
  flags: readonly FlagSetting[],
): Promise<BenchModel> {
  if (!BENCH_PROFILES.includes(profile)) {
    const meant = nearMiss(profile, BENCH_PROFILES);
    throw new UserError(
      `Cannot measure profile "${profile}": expected one of ` +
        BENCH_PROFILES.join(", "),
      {
        hint: meant ? `did you mean ${meant}?` : "use char-cpu",
        exitCode: EXIT.usage,
      },
    );
  }
  const shape: BenchShape | undefined = BENCH_SHAPES[profile];
  const settings = Object.entries(shape?.settings ?? {}).map((
    [path, value],
  ) => ({ path, value, typed: `profile ${profile}` }));
  const config = await loadConfig({
    profile: shape?.profile ?? profile,
    flags: [
      // No text is read, but profiles for one text ask for it.
      { path: "data.dataset", value: "sample", typed: "" },
      ...settings,
      ...flags,
    ],
  });
  const { type, vocabSize } = config.tokenizer;
  const V = type === "char"
    ? SHAKESPEARE_CHARACTERS
    : type === "byte"
    ? 256
    : vocabSize;
  return { profile, model: resolveModel(config.model, V), config };
}

/** Every name that {@linkcode benchModel} takes. */
export const BENCH_PROFILES: readonly string[] = [
  ...Object.keys(BENCH_SHAPES),
  ...PROFILE_NAMES,
];
