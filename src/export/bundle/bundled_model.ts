/**
 * How a bundle tells the program inside of it where its model lies.
 *
 * @module
 */

import { UserError } from "../../base/errors.ts";

/**
 * Where the program finds its model: position, checksum and file. The script
 * sets it, {@linkcode parseBundledModel} reads it.
 */
export const BUNDLED_MODEL = "HEARTH_BUNDLED_MODEL";

/** A model inside of a file. */
export interface BundledModel {
  path: string;
  /** Its first byte; the last is that of the file. */
  from: number;
  sha256: string;
}

/** @throws {UserError} If it is no such value: the script is damaged. */
export function parseBundledModel(value: string): BundledModel {
  const parts = /^(\d+) +([0-9a-f]{64}) (.+)$/s.exec(value);
  if (parts === null) throw damagedBundle(value, "its script is damaged");
  const [, from, sha256, path] = parts;
  return { from: Number(from), sha256, path };
}

/** The error of a bundle that is not as it was made. */
export function damagedBundle(
  path: string,
  what: string,
  cause?: unknown,
): UserError {
  return new UserError(`Cannot use the model in "${path}": ${what}`, {
    hint: "copy or download the file again",
    cause,
  });
}
