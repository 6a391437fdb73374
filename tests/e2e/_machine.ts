/**
 * A computer as a stranger has it: an empty directory, no Deno, no cache, no
 * PATH, and where this system has `unshare`, no network.
 *
 * @module
 */

import { canRun } from "../base/_helpers.ts";
import { Tmux } from "../tui/_tmux.ts";

/** What a command came to. */
export interface Ended {
  code: number;
  out: string;
  err: string;
}

export const IS_WINDOWS = Deno.build.os === "windows";
/** Without these, nothing runs on Windows. */
const SYSTEM_ENV = IS_WINDOWS ? ["SystemRoot", "LOCALAPPDATA", "TEMP"] : [];

/** A new machine, as far as a program can tell. */
export class Machine implements AsyncDisposable {
  readonly dir: string;
  readonly #executable: string;
  /** What closes the network, where this system has it. */
  readonly #offline: readonly string[];

  private constructor(
    { dir, executable, offline }: {
      dir: string;
      executable: string;
      offline: readonly string[];
    },
  ) {
    this.dir = dir;
    this.#executable = executable;
    this.#offline = offline;
  }

  /** @param executable Gets copied, so that nothing beside it can help. */
  static async create(executable: string): Promise<Machine> {
    const dir = await Deno.makeTempDir({ prefix: "hearth-e2e-" });
    await Deno.mkdir(`${dir}/home`);
    await Deno.mkdir(`${dir}/work`);
    const copy = `${dir}/hearth${IS_WINDOWS ? ".exe" : ""}`;
    await Deno.copyFile(executable, copy);
    const words = ["unshare", "--user", "--map-root-user", "--net"];
    const [command, ...args] = words;
    const offline = await canRun(command, [...args, "true"]) ? words : [];
    return new Machine({ dir, executable: copy, offline });
  }

  /** The program in a terminal, in the empty directory. */
  async terminal(...args: string[]): Promise<Tmux> {
    const words = [...this.#offline, this.#executable, ...args];
    // A terminal has a name, or nothing knows how to write to it.
    const env = [`HOME=${this.dir}/home`, "TERM=screen"];
    return await Tmux.start(
      [`cd ${this.dir}/work &&`, "env", "-i", ...env, ...words].join(" "),
      { columns: 90, rows: 28 },
    );
  }

  /** Runs the program in the empty directory. */
  async run(...args: string[]): Promise<Ended> {
    return await this.runWith({}, ...args);
  }

  /** The same with some environment; else HOME is all there is. */
  async runWith(
    env: Record<string, string>,
    ...args: string[]
  ): Promise<Ended> {
    const [command, ...rest] = [...this.#offline, this.#executable, ...args];
    const { code, stdout, stderr } = await new Deno.Command(command, {
      args: rest,
      cwd: `${this.dir}/work`,
      clearEnv: true,
      signal: AbortSignal.timeout(PATIENCE_MS),
      env: {
        ...Object.fromEntries(
          SYSTEM_ENV.map((name) => [name, Deno.env.get(name) ?? ""]),
        ),
        HOME: `${this.dir}/home`,
        ...env,
      },
    }).output();
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    return { code, out: text(stdout), err: text(stderr) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.run("stop", "--now").catch(() => {}); // a failing test's run
    await Deno.remove(this.dir, { recursive: true });
  }
}

/** A command that hangs must not hang the tests; a slow machine may be slow. */
const PATIENCE_MS = 600_000;
