/**
 * Other settings for a run that goes on: what changes, and whether it may.
 *
 * @module
 */

import { EXIT, UserError } from "../base/errors.ts";
import { settings } from "./allowed.ts";
import { type ConfigChange, formatSetting } from "./config_change.ts";
import { checkTogether } from "./cross_checks.ts";
import type { HearthConfig } from "./hearth_config.ts";
import { type Settings, valueAt } from "./layer.ts";
import { mergeSettings } from "./merge.ts";
import { flagLayer, type FlagSetting, setLayer } from "./parse.ts";
import { refusalOnResume } from "./resume_rules.ts";
import { configSchema } from "./schema.ts";

/** What the person typed; see `ConfigSources`. */
export interface OverrideSources {
  /** Settings by their path, as a command line gives them. */
  flags?: readonly FlagSetting[];
  /** `key.path=value` assignments. */
  set?: readonly string[];
}

/** A configuration after overrides. */
export interface Overridden {
  config: HearthConfig;
  /** In the order of the schema; a value that stays the same is no change. */
  changes: ConfigChange[];
  /** The paths that were typed, with or without a change. */
  given: ReadonlySet<string>;
}

/**
 * Lays flags, then assignments, over the configuration of a run.
 *
 * @throws {UserError} With exit code 2 for a value that is not allowed, or a
 * setting that a resumed run cannot change.
 */
export function overrideConfig(
  config: HearthConfig,
  { flags = [], set = [] }: OverrideSources,
): Overridden {
  const layers = [flagLayer(flags), setLayer(set)].map((l) => l.settings);
  const merged = layers.reduce<Settings>(mergeSettings, { ...config });
  const { $schema: _, profile, ...rest } = merged;
  const after = configSchema.parse(rest);
  const changes: ConfigChange[] = [];
  const given = new Set<string>();
  for (const [path] of settings()) {
    const keys = path.split(".");
    if (layers.some((layer) => valueAt(layer, keys) !== undefined)) {
      given.add(path);
    }
    // Given steps take its place before the first one.
    if (path === "train.warmupFraction" && !given.has(path)) continue;
    const from = valueAt(config, keys) ?? null;
    const to = (path === "profile" ? profile : valueAt(after, keys)) ?? null;
    if (!isSame(from, to)) changes.push({ path, from, to });
  }

  const refused = changes.filter(({ path }) => refusalOnResume(path));
  if (refused.length > 0) {
    // steps displaces epochs, so not all that changes was typed.
    throw refusal(refused.find(({ path }) => given.has(path)) ?? refused[0]);
  }
  checkTogether(after);
  return { config: after, changes, given };
}

/**
 * The changes as they turned out: where the person left a choice to Hearth,
 * as with a batch size of `auto`, with the value that was chosen.
 */
export function settledChanges(
  changes: readonly ConfigChange[],
  config: HearthConfig,
): ConfigChange[] {
  return changes
    .map(({ path, from }) => {
      const to = valueAt(config, path.split(".")) ?? null;
      return { path, from, to };
    })
    .filter(({ from, to }) => !isSame(from, to));
}

function refusal({ path, from, to }: ConfigChange): UserError {
  const { reason, hint } = refusalOnResume(path)!;
  return new UserError(
    `Cannot change ${path} from ${formatSetting(from)} to ` +
      `${formatSetting(to)}: ${reason}`,
    { hint, exitCode: EXIT.usage },
  );
}

function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
