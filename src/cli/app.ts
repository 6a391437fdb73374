/**
 * What every command has at hand: the global flags and ways to say something.
 *
 * @module
 */

import { EXIT } from "../base/errors.ts";
import { safeJson, safeText } from "../base/safe_text.ts";
import type { Io } from "./io.ts";

/** Values of the flags that every command has. */
export interface GlobalFlags {
  root?: string;
  json?: true;
  quiet?: true;
  color: boolean;
}

/** One call of the command line. */
export class App {
  readonly io: Io;
  /** What the process ends with. */
  exitCode: number = EXIT.ok;
  /** The command line that is to be run after this one. */
  goOnWith: readonly string[] | null = null;
  /** The directory that holds `data`, `runs` and `checkpoints`. */
  root = ".";
  /** Results as JSON. */
  json = false;
  /** Nothing on stderr but warnings and errors. */
  quiet = false;
  /** Nothing was said against colors. */
  wantsColor = false;

  constructor(io: Io) {
    this.io = io;
  }

  /** Takes the global flags over, once they are parsed. */
  configure(flags: GlobalFlags): void {
    this.root = flags.root ?? this.io.env("HEARTH_ROOT") ?? ".";
    this.json = flags.json ?? false;
    this.quiet = flags.quiet ?? false;
    this.wantsColor = flags.color && this.io.env("NO_COLOR") === undefined &&
      this.io.env("TERM") !== "dumb";
  }

  /** Prints a line of the result on stdout. */
  print(line = ""): void {
    const { stdout } = this.io;
    // A file or another program gets what was written as it is.
    stdout.write(`${stdout.isTty ? safeText(line) : line}\n`);
  }

  /**
   * The longest line of a table on stdout: as wide as the terminal. A file or
   * another program gets all of it.
   */
  get tableWidth(): number {
    return this.io.stdout.isTty ? this.io.columns() : Infinity;
  }

  /** Prints one JSON value on one line of stdout. */
  printJson(value: unknown): void {
    this.print(safeJson(value));
  }

  /** Prints a line about the work on stderr, unless `--quiet`. */
  note(line = ""): void {
    if (!this.quiet) this.io.stderr.write(`${safeText(line)}\n`);
  }

  /** Prints a warning on stderr, in any case. */
  warn(message: string): void {
    const text = safeText(message);
    this.io.stderr.write(`${this.paint("yellow", "warning:")} ${text}\n`);
  }

  /** Whether a line on stderr may be rewritten in place. */
  get isLive(): boolean {
    return this.io.stderr.isTty && !this.quiet && !this.json &&
      this.io.env("TERM") !== "dumb";
  }

  /** `text` in a color, where stderr shows colors. */
  paint(color: keyof typeof COLORS, text: string): string {
    if (!this.wantsColor || !this.io.stderr.isTty) return text;
    return `\x1b[${COLORS[color]}m${text}\x1b[0m`;
  }
}

const COLORS = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, cyan: 36 };
