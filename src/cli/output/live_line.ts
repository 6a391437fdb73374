/**
 * A line on stderr that is rewritten in place, below what is printed.
 *
 * Where stderr is not a terminal, nothing is rewritten: only the printed
 * lines appear.
 *
 * @module
 */

import { safeText } from "../../base/safe_text.ts";
import type { App } from "../app.ts";

/** Between two rewrites; a person reads no more than ten a second. */
const INTERVAL_MS = 100;
const CLEAR_LINE = "\r\x1b[K";

/** At most one may be in use at a time. Dispose of it to clear the line. */
export class LiveLine implements Disposable {
  readonly #app: App;
  readonly #now: () => number;
  #text = "";
  #shownAt = -Infinity;

  constructor(app: App, now: () => number = () => performance.now()) {
    this.#app = app;
    this.#now = now;
  }

  /** Shows a text made to fit the width; skipped if the last is too fresh. */
  update(render: (columns: number) => string): void {
    if (!this.#app.isLive || this.#now() - this.#shownAt < INTERVAL_MS) return;
    this.#shownAt = this.#now();
    this.#text = safeText(render(this.#app.io.columns()));
    this.#app.io.stderr.write(CLEAR_LINE + this.#text);
  }

  /** Takes the line away; the next update comes through at once. */
  clear(): void {
    this.#erase();
    this.#text = "";
    this.#shownAt = -Infinity;
  }

  /** Prints a line that stays, above this one, unless `--quiet`. */
  print(line: string): void {
    this.#erase();
    this.#app.note(line);
    if (this.#text) this.#app.io.stderr.write(this.#text);
  }

  /** Prints a warning that stays. */
  warn(message: string): void {
    this.#erase();
    this.#app.warn(message);
    if (this.#text) this.#app.io.stderr.write(this.#text);
  }

  [Symbol.dispose](): void {
    this.clear();
  }

  #erase(): void {
    if (this.#text) this.#app.io.stderr.write(CLEAR_LINE);
  }
}
