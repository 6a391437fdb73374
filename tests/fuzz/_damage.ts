/** Damage to a file by what kind it is. @module */

import type { PhiloxStream } from "../../src/base/philox.ts";
import { mutateBytes, mutateHeader, mutateJson } from "./_mutate.ts";

/**
 * A file of another structure, or with wrong bytes: JSON or safetensors, as
 * its name says.
 *
 * @param others Valid files that pieces may come from.
 */
export function damageFile(
  name: string,
  whole: Uint8Array,
  random: PhiloxStream,
  others: readonly Uint8Array[],
): Uint8Array {
  if (random.below(4) === 0) return mutateBytes(whole, random, others);
  if (!name.endsWith(".json")) return mutateHeader(whole, random);
  const json = new TextDecoder().decode(whole);
  return new TextEncoder().encode(mutateJson(json, random));
}

/** JSON of another structure, or with bytes that are wrong. */
export function damagedJson(json: string, random: PhiloxStream): Uint8Array {
  const bytes = new TextEncoder().encode(json);
  return random.below(4) === 0
    ? mutateBytes(bytes, random, [bytes])
    : new TextEncoder().encode(mutateJson(json, random));
}
