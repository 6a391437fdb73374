/**
 * What keeps a run from being shown.
 *
 * @module
 */

import { UserError } from "../../base/errors.ts";

/** The run has no state, because of `problem`. */
export function brokenRun(runId: string, problem: string): UserError {
  return new UserError(problem, {
    hint: `hearth resume ${runId} goes on from its checkpoints, if there are ` +
      "any; hearth runs lists all runs",
  });
}

/** The run's directory was removed while it was watched. */
export function removedRun(runId: string): UserError {
  return new UserError(`Cannot go on: the run "${runId}" was removed`, {
    hint: "hearth runs lists the others",
  });
}
