/**
 * fast-check, for properties of random values.
 *
 * `deno task test` draws the same values each time: what fails there was
 * broken by a change, and by no rare draw. `deno task properties` draws
 * others, and many more. A failure names seed, path and counterexample.
 *
 * @module
 */

import fc from "fast-check";

/** Seed of every draw. */
const SEED = wholeNumber("PROPERTY_SEED");
/** How many times as many values are drawn as usual. */
const TIMES = wholeNumber("PROPERTY_TIMES");

fc.configureGlobal({ seed: SEED, numRuns: draws(100) });

export { fc };

/** `numRuns` of a property for which 100 are too many or too few. */
export function draws(usual: number): number {
  return usual * TIMES;
}

/** An environment variable that is 1 if there is none. */
function wholeNumber(name: string): number {
  const value = Number(Deno.env.get(name) ?? 1);
  if (!Number.isSafeInteger(value)) throw new TypeError(`${name} is no number`);
  return value;
}
