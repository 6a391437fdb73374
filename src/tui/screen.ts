/**
 * What a screen is to the dashboard, and the dashboard to a screen.
 *
 * @module
 */

import type { DetachedProcess } from "../run/background/detached_process.ts";
import type { RunInfo } from "../run/files/runs.ts";
import type { ScreenName } from "./keymap.ts";
import type { Line } from "./text/line.ts";

/** Columns and rows of a part of the terminal. */
export interface Size {
  columns: number;
  rows: number;
}

/** Something that fills the terminal between header and footer. */
export interface Screen extends Disposable {
  readonly name: ScreenName;
  /** Where one is, for the header: `owl-1`, `generate`. */
  readonly title: string;
  /** At most `size.rows` lines; they are cut to `size.columns`. */
  view(size: Size): Line[];
  /** Does what the keymap says of a key. */
  act(action: string): void;
  /** Takes a character that is text here; false: it is a command. */
  type?(text: string): boolean;
  /** It is on top again. */
  resumed?(): void;
}

/** How the dashboard was started. */
export interface TuiOptions {
  /** The directory of `data`, `runs` and `checkpoints`. */
  root: string;
  /** What a person types to call this program: `hearth`. */
  program: string;
  /** Global flags that commands need to mean the same: `--root DIR`. */
  globalArgs: readonly string[];
  /** Starts this program again to train a run; see `Io.startAgain`. */
  startAgain(
    options: { runId: string; output: string; args: readonly string[] },
  ): Promise<DetachedProcess>;
}

/** What a screen may ask of the dashboard. */
export interface Host extends TuiOptions {
  /** Aborted when the dashboard closes. */
  readonly signal: AbortSignal;
  /** Milliseconds since 1970. */
  now(): number;
  /** All runs, as they were looked at last. */
  runs(): readonly RunInfo[];
  /** The run that was looked at last. */
  lastRun: string | null;
  /** Something is to be drawn; soon, or at once. */
  changed(urgent?: boolean): void;
  /** Puts a screen on top. */
  open(screen: Screen): void;
  /** Takes the screen on top away. */
  back(): void;
  /** Shows a run in place of all screens but the first one. */
  showRun(runId: string): void;
  /** Says something for some seconds. */
  say(message: string, tone?: "good" | "bad" | "warn"): void;
  /** Asks before something that cannot be taken back. */
  ask(question: string, yes: () => void): void;
  /** Puts a text on the clipboard, where the terminal allows. */
  copy(text: string): void;
  /** Closes the dashboard; the command line then does `args`. */
  leaveFor(args: readonly string[]): void;
}
