/**
 * What the command line touches of the outside world, so that a test can
 * stand in for it.
 *
 * @module
 */

import type { DetachedProcess } from "../run/background/detached_process.ts";

/** Where text goes. */
export interface Sink {
  /** Writes all of `text`. @throws {Deno.errors.BrokenPipe} */
  write(text: string): void;
  /** A person reads along. */
  readonly isTty: boolean;
}

/** The surroundings of one command. */
export interface Io {
  /** Results. */
  readonly stdout: Sink;
  /** Everything else. */
  readonly stderr: Sink;
  /** A person can answer questions. */
  readonly stdinIsTty: boolean;
  /** Standard input, a part at a time. */
  stdin(): AsyncIterable<Uint8Array>;
  /** All of standard input, as UTF-8. */
  readStdin(): Promise<string>;
  /** Asks whether to go on; only where {@linkcode stdinIsTty}. */
  confirm(question: string): Promise<boolean>;
  /** Width of the terminal, or 80. */
  columns(): number;
  /** Height of the terminal, or 24. */
  rows(): number;
  /** Value of an environment variable; unset and empty are undefined. */
  env(name: string): string | undefined;
  /**
   * Calls `first` on the first Ctrl+C or similar, `second` on later ones;
   * until disposed, the process does not end by itself.
   */
  onStopSignals(
    handlers: { first: () => void; second: () => void },
  ): Disposable;
  /** Ends the process at once. */
  exit(code: number): never;
  /** What a person types to call this program: `hearth`. */
  readonly program: string;
  /** How this process was started, for meta.json. */
  readonly commandLine: readonly string[];
  /** The run that this process was started to train, unseen; else null. */
  readonly detachedRun: string | null;
  /** Reads a line that a person types after `mark`; null at the end. */
  ask(mark: string): string | null;
  /** The model that this executable has inside, as it tells; else null. */
  readonly bundledModel: string | null;
  /**
   * Starts this program again, as a process that outlives this one and trains
   * `runId`; `output` gets what it prints.
   *
   * @param options.args What it is given; default: what this process was.
   * @throws {UserError} If that fails.
   */
  startAgain(
    options: { runId: string; output: string; args?: readonly string[] },
  ): Promise<DetachedProcess>;
}

/** Whether there is a terminal that can be drawn on and typed into. */
export function canShowScreens({ stdinIsTty, stdout, env }: Io): boolean {
  return stdinIsTty && stdout.isTty && env("TERM") !== "dumb";
}
