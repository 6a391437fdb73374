/**
 * Lays settings over each other: profile, then file, flags and `--set`.
 *
 * @module
 */

import { emptySettings, isSection, type Settings } from "./layer.ts";

/**
 * `base` with `over` laid on top: sections merge key by key, any other value
 * replaces, and null takes a value away, so that the default holds again.
 *
 * `train.epochs` and `train.steps` say the same thing in two ways: the one
 * that `over` gives takes the place of whichever `base` had. `warmupSteps` that
 * `over` sets are meant as they are, whatever part of the run they take.
 */
export function mergeSettings(base: Settings, over: Settings): Settings {
  const merged = mergeSections(base, over);
  const above = section(over, "train");
  if (above.epochs != null && above.steps == null) {
    delete section(merged, "train").steps;
  }
  if (above.steps != null && above.epochs == null) {
    delete section(merged, "train").epochs;
  }
  if (above.warmupSteps != null && above.warmupFraction == null) {
    delete section(merged, "train").warmupFraction;
  }
  return merged;
}

function mergeSections(base: Settings, over: Settings): Settings {
  const merged = Object.assign(emptySettings(), base);
  for (const [key, value] of Object.entries(over)) {
    const below = merged[key];
    if (isSection(value)) {
      merged[key] = mergeSections(isSection(below) ? below : {}, value);
    } else if (value !== null) {
      merged[key] = value;
    } else if (!isSection(below)) { // an empty section takes nothing away
      delete merged[key];
    }
  }
  return merged;
}

function section(settings: Settings, name: string): Settings {
  const value = settings[name];
  return isSection(value) ? value : {};
}
