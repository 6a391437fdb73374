/**
 * Why a library of the system cannot be loaded.
 *
 * @module
 */

import { errorMessage } from "./errors.ts";

/** What `Deno.dlopen` threw, without the beginning that it says twice. */
export function loadProblem(error: unknown): string {
  return errorMessage(error).replace(/^(Could not open library: )+/, "");
}
