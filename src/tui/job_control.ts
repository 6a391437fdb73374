/**
 * Ctrl+Z in a shell, and `fg` after it.
 *
 * In raw mode the terminal sends no signal for Ctrl+Z, so the dashboard stops
 * itself, and its whole process group with it: a `deno task` that started it
 * has to stop, too, or the shell goes on waiting. By SIGSTOP, since `deno task`
 * does not stop for SIGTSTP (seen with Deno 2.9.6).
 *
 * @module
 */

import process from "node:process";
import {
  C_LIBRARIES,
  openFirst,
} from "../backend/cpu/native/system_library.ts";

/**
 * Whether a shell can take the terminal and go on with this process later: it
 * gives each job a process group of its own. Without one, a process that stops
 * stays stopped for good.
 */
function hasShell(): boolean {
  if (Deno.build.os === "windows") return false;
  try {
    const { symbols } = openFirst(C_LIBRARIES, {
      getpgid: { parameters: ["i32"], result: "i32" },
      getsid: { parameters: ["i32"], result: "i32" },
    });
    return symbols.getpgid(0) !== symbols.getsid(0);
  } catch {
    return false;
  }
}

/** Listens to the signals of job control until disposed. */
export class JobControl implements Disposable {
  readonly #leave: () => Promise<void>;
  readonly #back: () => Promise<void>;
  readonly #fail: (error: unknown) => void;
  readonly #listeners: [Deno.Signal, () => void][] = [];
  #isBusy = false;

  /**
   * @param terminal.leave Gives the terminal back before the process stops.
   * @param terminal.back Takes it again: others have used it meanwhile.
   * @param terminal.fail Gets the errors of both.
   */
  constructor({ leave, back, fail }: {
    leave: () => Promise<void>;
    back: () => Promise<void>;
    fail: (error: unknown) => void;
  }) {
    this.#leave = leave;
    this.#back = back;
    this.#fail = fail;
    if (!hasShell()) return;
    this.#listen("SIGTSTP", () => this.suspend());
    this.#listen("SIGCONT", () => this.#alone(this.#back));
  }

  /** @returns False if there is no shell to go back to. */
  suspend(): boolean {
    if (this.#listeners.length === 0) return false;
    this.#alone(async () => {
      await this.#leave();
      process.kill(0, "SIGSTOP"); // The next line comes after `fg`.
      await this.#back();
    });
    return true;
  }

  [Symbol.dispose](): void {
    for (const [signal, listener] of this.#listeners) {
      Deno.removeSignalListener(signal, listener);
    }
  }

  #listen(signal: Deno.Signal, listener: () => void): void {
    Deno.addSignalListener(signal, listener);
    this.#listeners.push([signal, listener]);
  }

  /** Going on after a stop is a signal, too. */
  #alone(act: () => Promise<void>): void {
    if (this.#isBusy) return;
    this.#isBusy = true;
    act().catch(this.#fail).finally(() => this.#isBusy = false);
  }
}
