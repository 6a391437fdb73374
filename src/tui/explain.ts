/**
 * Errors in one line.
 *
 * @module
 */

import { errorMessage, UserError } from "../base/errors.ts";
import { safeText } from "../base/safe_text.ts";

/** The message and, of an error that a person can put right, the hint. */
export function explain(error: unknown): string {
  const message = safeText(errorMessage(error));
  return error instanceof UserError
    ? `${message} – ${safeText(error.hint)}`
    : message;
}
