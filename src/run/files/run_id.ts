/**
 * Names of runs: `owl-1` when nobody chose one.
 *
 * An id is a directory name on every platform and one word on a command line.
 *
 * @module
 */

import { EXIT, UserError } from "../../base/errors.ts";

const WORDS = [
  "owl",
  "fox",
  "elk",
  "bee",
  "hare",
  "wren",
  "seal",
  "lynx",
  "toad",
  "crab",
  "swan",
  "mole",
  "ibex",
  "newt",
  "crow",
  "deer",
];

/** References that `resume`, `status` and others understand. */
const RESERVED = new Set(["latest", "best"]);
/** Device names that Windows allows no file to have. */
const WINDOWS_DEVICE = /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i;

/** Whether `runId` can name a run. */
export function isRunId(runId: string): boolean {
  const usable = /^[A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9_-])?$/;
  return usable.test(runId) && !RESERVED.has(runId) &&
    !WINDOWS_DEVICE.test(runId);
}

/** @throws {UserError} If `runId` cannot name a run. */
export function checkRunId(runId: string): void {
  if (isRunId(runId)) return;
  throw new UserError(
    `Cannot name a run "${runId}": up to 64 letters, digits, "-", "_" and ` +
      `"." are allowed, and not "latest" or "best"`,
    { hint: "use a name such as --run-id shakespeare-1", exitCode: EXIT.usage },
  );
}

/**
 * A new id: the words take turns, the number counts each word's runs.
 *
 * @param taken All ids in use.
 */
export function newRunId(taken: ReadonlySet<string>): string {
  const word = WORDS[taken.size % WORDS.length];
  for (let number = 1;; number++) {
    const runId = `${word}-${number}`;
    if (!taken.has(runId)) return runId;
  }
}
