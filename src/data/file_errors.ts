/**
 * Failures of the file system as lines a person can act on.
 *
 * Only what a user can cause is translated; anything else passes unchanged, so
 * that a defect of ours keeps its own message.
 *
 * @module
 */

import { EXIT, UserError } from "../base/errors.ts";
import { errorCode, ioProblem } from "../base/io_problem.ts";
import { nearMiss } from "../config/near_miss.ts";
import { PUBLIC_SOURCES } from "./sources/public_sources.ts";

/** Words that a name of a file may be a misspelling of. */
const PUBLIC_NAMES = PUBLIC_SOURCES.map(({ name }) => name);

/** A file or folder named by the user that cannot be read. Wrong input. */
export function readFailure(path: string, error: unknown): unknown {
  const reason = readReason(error);
  if (reason === null) return error;
  const known = isMissing(error) ? meantBy(path) : null;
  return new UserError(`Cannot read dataset "${path}": ${reason.what}`, {
    hint: known ? `did you mean ${known}?` : reason.hint,
    exitCode: EXIT.usage,
    cause: error,
  });
}

/** A failure to write below the data directory. The work failed. */
export function writeFailure(path: string, error: unknown): unknown {
  const problem = ioProblem(error);
  if (problem === null) return error;
  const full = ["ENOSPC", "EDQUOT"].includes(errorCode(error) ?? "");
  return new UserError(`Cannot write "${path}": ${problem}`, {
    hint: full
      ? "free some space (hearth data clean removes prepared data sets), or " +
        "choose another place with --root DIR"
      : "choose a writable place with --root DIR",
    cause: error,
  });
}

/** A data set of a hub that was probably meant by the path of no file. */
function meantBy(path: string): string | null {
  const isRepo = /^[\w-]+\/[\w-]+$/.test(path); // a file has an extension
  return nearMiss(path, PUBLIC_NAMES) ?? (isRepo ? `hf:${path}` : null);
}

function isMissing(error: unknown): boolean {
  return errorCode(error) === "ENOENT";
}

function readReason(error: unknown): { what: string; hint: string } | null {
  switch (errorCode(error)) {
    case "ENOENT":
    case "ENOTDIR":
      return {
        what: "no such file or folder",
        hint:
          "check the path; a dataset is sample, a file, a folder, a quoted " +
          'glob such as "texts/*.txt", or one that hearth data list shows',
      };
    case "EACCES":
    case "EPERM":
      return {
        what: "permission denied",
        hint: "make it readable, or give another file with --dataset",
      };
    case "ELOOP":
      return {
        what: "its links go in a circle",
        hint: "give the path of the file itself",
      };
    case "EINVAL":
    case "ENAMETOOLONG":
      return {
        what: "not a valid path",
        hint: "check the path after --dataset",
      };
    default:
      return null;
  }
}
