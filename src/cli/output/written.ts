/**
 * Files that a person names on the command line, and what keeps them from
 * being written.
 *
 * @module
 */

import { UserError } from "../../base/errors.ts";
import { ioProblem } from "../../base/io_problem.ts";

/**
 * Waits until `path` is written.
 *
 * @throws {UserError} With `hint`, for what a person can put right.
 */
export async function written<T>(
  path: string,
  writing: Promise<T>,
  hint: string,
): Promise<T> {
  try {
    return await writing;
  } catch (cause) {
    const isLost = cause instanceof Deno.errors.NotFound;
    const problem = isLost ? "there is no such folder" : ioProblem(cause);
    if (problem === null) throw cause;
    throw new UserError(`Cannot write "${path}": ${problem}`, { hint, cause });
  }
}
