/**
 * Numbers typed as flags that are not part of the configuration.
 *
 * @module
 */

import { EXIT, UserError } from "../../base/errors.ts";

/**
 * A parser for commander. Ranges are checked by whoever uses the number.
 *
 * @param flag Such as `--top-p`, for the error message.
 */
export function numberFlag(flag: string): (text: string) => number {
  return (text) => {
    const value = Number(text);
    // Number("") is 0.
    if (text.trim() !== "" && Number.isFinite(value)) return value;
    throw notA(`${flag} ${text || '""'}`, flag, "a number");
  };
}

/** The same for whole numbers of at least `min`. */
export function countFlag(flag: string, min: number): (text: string) => number {
  return (text) => {
    const value = text.trim() === "" ? NaN : Number(text);
    if (Number.isSafeInteger(value) && value >= min) return value;
    const kind = `a whole number of at least ${min}`;
    throw notA(`${flag} ${text || '""'}`, flag, kind);
  };
}

function notA(typed: string, flag: string, kind: string): UserError {
  return new UserError(`Cannot use ${typed}: expected ${kind}`, {
    hint: `put a number after ${flag}, or leave it out`,
    exitCode: EXIT.usage,
  });
}
