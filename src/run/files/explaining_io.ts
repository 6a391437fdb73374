/**
 * Turns failures to write below the root into errors a person can act on.
 *
 * @module
 */

import { EXIT, UserError } from "../../base/errors.ts";
import { ioProblem } from "../../base/io_problem.ts";

/**
 * Runs `work`, which makes `path` ready before anything is computed.
 *
 * @throws {UserError} For what {@linkcode ioProblem} knows; the place that was
 * chosen is of no use, so the exit code is that of wrong input.
 */
export async function explainingIo<T>(
  path: string,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const problem = ioProblem(cause);
    if (problem === null) throw cause;
    throw new UserError(`Cannot write to "${path}": ${problem}`, {
      hint: "make room or make it writable, or choose another place with " +
        "--root DIR",
      exitCode: EXIT.usage,
      cause,
    });
  }
}
