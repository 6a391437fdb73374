import type { Io } from "../../src/cli/io.ts";
import { runCli } from "../../src/cli/main.ts";
import { USUAL_WARNINGS } from "../backend/_usual_warnings.ts";

/** What a test may set of the surroundings. */
export interface FakeSettings {
  /** Both stdout and stderr are a terminal. */
  tty?: boolean;
  columns?: number;
  rows?: number;
  env?: Record<string, string>;
  stdin?: string;
  /** What a question is answered with. */
  confirm?: (question: string) => boolean;
  /** What a person types to start it; default: `hearth`. */
  program?: string;
  /** This process was started to train that run. */
  detachedRun?: string;
  /** Lines that are typed one after another. */
  typed?: string[];
  /** This program has a model inside. */
  bundledModel?: string;
  /** Stands in for another process; without it, none can be started. */
  startAgain?: Io["startAgain"];
  /** Called when somebody listens for Ctrl+C. */
  onListening?: (press: () => void) => void;
  /** Called with everything written to stderr; may press Ctrl+C. */
  onStderr?: (text: string, press: () => void) => void;
  /** Called with everything written to stdout; may throw BrokenPipe. */
  onStdout?: (text: string, press: () => void) => void;
}

/** What a command line did. */
export interface Outcome {
  code: number;
  out: string;
  err: string;
}

/** What is printed, without what everything on this machine warns of. */
function withoutUsual(text: string): string {
  const begins = ["warning:", "\x1b[33mwarning:", '{"kind":"warning"'];
  const isWarning = (line: string) =>
    begins.some((text) => line.startsWith(text));
  const isUsual = (line: string) =>
    isWarning(line) && USUAL_WARNINGS.some((usual) => line.includes(usual));
  return text.split("\n").filter((line) => !isUsual(line)).join("\n");
}

/** Runs a command line in this process. */
export async function run(
  argv: string[],
  settings: FakeSettings = {},
): Promise<Outcome> {
  const { tty = false, columns = 80, rows = 24, env = {}, stdin = "" } =
    settings;
  let out = "", err = "";
  let handlers: Parameters<Io["onStopSignals"]>[0] | null = null;
  let presses = 0;
  let exitedWith: number | null = null;
  const press = () => presses++ === 0 ? handlers?.first() : handlers?.second();
  const io: Io = {
    stdout: {
      isTty: tty,
      write(text) {
        out += text;
        settings.onStdout?.(text, press);
      },
    },
    stderr: {
      isTty: tty,
      write(text) {
        err += text;
        settings.onStderr?.(text, press);
      },
    },
    stdinIsTty: tty,
    stdin: async function* () {
      await Promise.resolve();
      yield new TextEncoder().encode(stdin);
    },
    readStdin: () => Promise.resolve(stdin),
    confirm: (question) => {
      if (settings.confirm) return Promise.resolve(settings.confirm(question));
      return Promise.reject(new Error(`nobody answers "${question}"`));
    },
    columns: () => columns,
    rows: () => rows,
    env: (name) => env[name] || undefined,
    onStopSignals(listening) {
      handlers = listening;
      presses = 0;
      settings.onListening?.(press);
      return { [Symbol.dispose]: () => void (handlers = null) };
    },
    exit(code) {
      exitedWith ??= code;
      throw new Error("the process has ended");
    },
    program: settings.program ?? "hearth",
    commandLine: ["hearth", ...argv],
    detachedRun: settings.detachedRun ?? null,
    ask(mark) {
      out += mark;
      return settings.typed?.shift() ?? null;
    },
    bundledModel: settings.bundledModel ?? null,
    startAgain: settings.startAgain ??
      (() => Promise.reject(new Error("no process can be started here"))),
  };
  const code = await runCli(argv, io);
  return {
    code: exitedWith ?? code,
    out: withoutUsual(out),
    err: withoutUsual(err),
  };
}
