/**
 * A setting of a run that is not what it was. Apart from override.ts, so that
 * showing it needs no validation library.
 *
 * @module
 */

/** A setting that changed; null is the default. */
export interface ConfigChange {
  /** `train.batchSize`. */
  path: string;
  /** The value so far. */
  from: unknown;
  /** The value from now on. */
  to: unknown;
}

/** `train.batchSize 8 -> 16`. */
export function formatChange({ path, from, to }: ConfigChange): string {
  return `${path} ${formatSetting(from)} -> ${formatSetting(to)}`;
}

/** A value as a person would type it. */
export function formatSetting(value: unknown): string {
  if (value === null) return "default";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
