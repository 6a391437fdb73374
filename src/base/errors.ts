/**
 * The one error type that a user is meant to see.
 *
 * `TypeError` and `RangeError` mean that our own caller is wrong; a
 * `UserError` means that the person at the keyboard can put it right.
 *
 * @module
 */

/** Process exit codes, the same for every command. */
export const EXIT = {
  /** The command did what was asked. */
  ok: 0,
  /** The work failed. */
  failed: 1,
  /** The command line or the configuration is wrong; nothing was written. */
  usage: 2,
  /** The run was interrupted or stopped early, and can be resumed. */
  stopped: 3,
  /** A second Ctrl+C ended the process at once. */
  aborted: 130,
} as const;

/** A failure the user can fix. Only `cli/main` prints it, without a stack. */
export class UserError extends Error {
  /** Tells it from other errors also where `instanceof` cannot. */
  override readonly name = "UserError";
  /** One imperative sentence: what to type or change next. */
  readonly hint: string;
  /** {@linkcode EXIT.failed}, or {@linkcode EXIT.usage} for wrong input. */
  readonly exitCode: 1 | 2;

  /**
   * An error to throw.
   *
   * @param message What could not be done: value found, value allowed.
   * @param options.exitCode Default: {@linkcode EXIT.failed}.
   * @param options.cause What was thrown below, for who debugs Hearth.
   */
  constructor(
    message: string,
    options: { hint: string; exitCode?: 1 | 2; cause?: unknown },
  ) {
    super(message, { cause: options.cause });
    this.hint = options.hint;
    this.exitCode = options.exitCode ?? EXIT.failed;
  }
}

/** The text of anything that was thrown. */
export function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
