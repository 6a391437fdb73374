/**
 * Ctrl+C: the first one asks the work to end well, the second ends it.
 *
 * @module
 */

import { EXIT } from "../base/errors.ts";
import type { App } from "./app.ts";

/** What work that was stopped rejects with; main.ts knows it. */
export class Stopped extends Error {
  override readonly name = "Stopped";
}

/** Listens until disposed. */
export class StopSignal implements Disposable {
  readonly #controller = new AbortController();
  readonly #listener: Disposable;

  /** @param onFirst Says what happens now. */
  constructor(app: App, onFirst: () => void) {
    this.#listener = app.io.onStopSignals({
      first: () => {
        this.abort();
        onFirst();
      },
      second: () => app.io.exit(EXIT.aborted),
    });
  }

  /** Aborted by the first Ctrl+C. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Stops as Ctrl+C does, but says nothing. */
  abort(): void {
    this.#controller.abort(new Stopped("stopped by Ctrl+C"));
  }

  [Symbol.dispose](): void {
    this.#listener[Symbol.dispose]();
  }
}

/**
 * Until disposed, Ctrl+C ends the process at once, as it does anyway, but with
 * what is done at an exit: no driver is blamed for it (driver_trials.ts).
 */
export function exitOnStop({ io }: App): Disposable {
  const end = () => io.exit(EXIT.aborted);
  return io.onStopSignals({ first: end, second: end });
}
