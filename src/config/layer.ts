/**
 * A layer: settings from one place (profile, file, flags, `--set`), checked
 * against the schema and able to say where each of them was written.
 *
 * @module
 */

import { EXIT, UserError } from "../base/errors.ts";
import { describeAllowed, schemaAt, settings } from "./allowed.ts";
import { likelyNames, nearMiss } from "./near_miss.ts";
import { ourValue } from "./other_words.ts";
import { configFileSchema } from "./schema.ts";

/** Keys and values as written, nested like the schema. */
export type Settings = { [key: string]: unknown };

/** The way from the root to a setting: `["model", "nHead"]`. */
export type SettingPath = readonly PropertyKey[];

/** Settings that were written in one place. */
export interface Layer {
  readonly settings: Settings;
  /** Where a key is, for messages: `train.yaml:4:3` or `--n-head four`. */
  readonly placeOf: (path: SettingPath) => string;
  /** The same with the value: `train.yaml:4:10: model.nHead is "four"`. */
  readonly quote: (path: SettingPath) => string;
}

/** What the checks of a layer complain about. */
type Mistake = { message: string; hint: string };

/**
 * Checks the keys, types and ranges of a layer.
 *
 * @throws {UserError} Naming the first mistake: its place, the value, what is
 * allowed, and the key that was probably meant.
 */
export function checkLayer(layer: Layer): void {
  const written = withoutNulls(layer.settings);
  const issues = configFileSchema.safeParse(written).error?.issues ?? [];
  if (issues.length === 0) return;
  // A misspelled key first: it is often the cause of the other mistakes.
  const issue = issues.find((i) => i.code === "unrecognized_keys") ?? issues[0];
  const { message, hint } = issue.code === "unrecognized_keys"
    ? unknownKey(layer, issue.path, issue.keys[0])
    : wrongValue(layer, issue.path);
  const more = issues.length > 1 ? ` (and ${issues.length - 1} more)` : "";
  throw new UserError(message + more, { hint, exitCode: EXIT.usage });
}

function unknownKey(layer: Layer, section: SettingPath, key: string): Mistake {
  const known = Object.keys(schemaAt(section)?.properties ?? {});
  const meant = nearMiss(key, known) ?? settingNamed(key) ??
    likelyNames(key, known).at(0);
  const owner = section.length > 0 ? section.join(".") : "the configuration";
  return {
    message: `Cannot use ${layer.placeOf([...section, key])}: ` +
      `${owner} has no key ${key}`,
    hint: meant
      ? `did you mean ${meant}?`
      : `the keys are ${known.filter((name) => name !== "$schema").join(", ")}`,
  };
}

/** The path of a setting of another section: `nLayer` finds `model.nLayer`. */
function settingNamed(key: string): string | null {
  const all = settings().map(([path]) => path);
  // Of two with one name, such as dropout, the first.
  const paths = new Map(
    all.toReversed().map((path) => [path.split(".").at(-1)!, path]),
  );
  // Words of other programs may mean a whole path.
  const [name] = likelyNames(key, [...paths.keys(), ...all]);
  return name === undefined ? null : paths.get(name) ?? name;
}

function wrongValue(layer: Layer, path: SettingPath): Mistake {
  // Inside a list of sources the schema has no further keys.
  const inList = path.findIndex((key) => typeof key === "number");
  const setting = inList < 0 ? path : path.slice(0, inList);
  const schema = schemaAt(setting)!;
  const value = valueAt(layer.settings, path);
  const words = schema.enum ?? [], word = String(value);
  const meant = ourValue(word, words) ?? nearMiss(word, words);
  return {
    message: `Cannot use ${layer.quote(path)}: ` +
      `expected ${describeAllowed(schema)}`,
    hint: meant
      ? `did you mean ${meant}?`
      : schema.description
      ? `${String(setting.at(-1))} is: ${schema.description}`
      : "configs/tiny.yaml shows how the keys are nested",
  };
}

/** Null asks for the default, and is checked as if it were not written. */
function withoutNulls(value: unknown): unknown {
  if (!isSection(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, child]) => child !== null)
      .map(([key, child]) => [key, withoutNulls(child)]),
  );
}

/** An object without a prototype, so that `__proto__` is a key like others. */
export function emptySettings(): Settings {
  return Object.create(null);
}

/** Whether a value holds further keys. */
export function isSection(value: unknown): value is Settings {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The value at `path`, or undefined. */
export function valueAt(from: object, path: SettingPath): unknown {
  let at: unknown = from;
  for (const key of path) {
    if (typeof at !== "object" || at === null) return undefined;
    at = Object.hasOwn(at, key) ? (at as never)[key] : undefined;
  }
  return at;
}
