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
/**
 * Listens to the signals of job control until disposed. Only for processes
 * that a shell can go on with: others would stay stopped for good.
 */
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
    this.#listen("SIGTSTP", () => this.suspend());
    this.#listen("SIGCONT", () => this.#alone(this.#back));
  }

  /** Goes back to the shell, until it continues this process. */
  suspend(): void {
    this.#alone(async () => {
      await this.#leave();
      process.kill(0, "SIGSTOP"); // The next line comes after `fg`.
      await this.#back();
    });
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
