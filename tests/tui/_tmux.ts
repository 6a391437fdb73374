/**
 * A real terminal without a window: tmux, looked at and typed into.
 */

import { fileURLToPath } from "node:url";
import { canRun } from "../base/_helpers.ts";

/** What `deno run` takes. */
export const MOD = fileURLToPath(new URL("../../mod.ts", import.meta.url));
/** Generous: a machine busy with other tests may be slow. */
const TIMEOUT_MS = 40_000;

/** Whether there is a tmux to test with. */
export async function hasTmux(): Promise<boolean> {
  return await canRun("tmux", ["-V"]);
}

/** One terminal with one program in it. */
export class Tmux implements AsyncDisposable {
  readonly #socket = `hearth-test-${Deno.pid}-${
    crypto.randomUUID().slice(0, 8)
  }`;

  private constructor() {}

  /** Starts a command line of a shell; after it, `EXIT=` and its code show. */
  static async start(
    command: string,
    { columns = 80, rows = 24 }: { columns?: number; rows?: number } = {},
  ): Promise<Tmux> {
    const tmux = new Tmux();
    const script = `${command}; echo EXIT=$?; exec sleep 100`;
    await tmux.#run([
      ...["-f", "/dev/null", "new-session", "-d"],
      ...["-x", String(columns), "-y", String(rows), script],
    ]);
    return tmux;
  }

  /** Starts `hearth`; `before` is put before it in the shell. */
  static async hearth(
    args: readonly string[],
    { before = "", ...size }: {
      columns?: number;
      rows?: number;
      before?: string;
    } = {},
  ): Promise<Tmux> {
    const words = [
      ...["run", "-A", "--quiet", "--no-check", MOD],
      ...args,
    ].map((word) => `'${word}'`).join(" ");
    const command = `${before} '${Deno.execPath()}' ${words}`.trim();
    return await Tmux.start(command, size);
  }

  /** What the terminal shows. */
  async frame(): Promise<string> {
    return await this.#run(["capture-pane", "-p"]);
  }

  /** The same with escapes for colors. */
  async styledFrame(): Promise<string> {
    return await this.#run(["capture-pane", "-p", "-e"]);
  }

  /** Waits until the terminal shows it, and returns all that it shows. */
  async shows(wanted: string | RegExp): Promise<string> {
    const endMs = performance.now() + TIMEOUT_MS;
    for (;;) {
      const frame = await this.frame();
      const isThere = typeof wanted === "string"
        ? frame.includes(wanted)
        : wanted.test(frame);
      if (isThere) return frame;
      if (performance.now() > endMs) {
        throw new Error(`no ${wanted} in\n${frame}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 40));
    }
  }

  /** Presses keys by tmux's names: `Enter`, `Down`, `n`. */
  async press(...keys: string[]): Promise<void> {
    await this.#run(["send-keys", ...keys]);
  }

  /** Types a text. */
  async type(text: string): Promise<void> {
    await this.#run(["send-keys", "-l", text]);
  }

  /** Makes the window another size. */
  async resize(columns: number, rows: number): Promise<void> {
    await this.#run([
      ...["resize-window", "-x", String(columns), "-y", String(rows)],
    ]);
  }

  /** Such as `alternate_on`, `cursor_flag`. */
  async variable(name: string): Promise<string> {
    return (await this.#run(["display-message", "-p", `#{${name}}`])).trim();
  }

  /** The process of the shell that runs the command. */
  async pid(): Promise<number> {
    return Number(await this.variable("pane_pid"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#run(["kill-server"]).catch(() => {});
  }

  async #run(args: readonly string[]): Promise<string> {
    const { success, stdout, stderr } = await new Deno.Command("tmux", {
      args: ["-u", "-L", this.#socket, ...args],
      env: {
        TERM: "xterm-256color",
        LC_ALL: "C.UTF-8",
        NO_COLOR: "",
        SHELL: "/bin/sh", // a user may have another language there, or none
      },
    }).output();
    const text = new TextDecoder().decode(stdout);
    if (!success) throw new Error(new TextDecoder().decode(stderr) || text);
    return text;
  }
}
