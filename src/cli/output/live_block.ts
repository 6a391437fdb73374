/**
 * Lines on stdout that are rewritten in place, as a whole and in one write, so
 * that nothing flickers. The last ones stay.
 *
 * @module
 */

import type { App } from "../app.ts";

const CLEAR_LINE_END = "\x1b[K";
const CLEAR_BELOW = "\x1b[J";

/** Only for a terminal. At most one may be in use at a time. */
export class LiveBlock {
  readonly #app: App;
  /** As they were written last. */
  #lines: readonly string[] = [];

  constructor(app: App) {
    this.#app = app;
  }

  /** Shows `text`, broken into lines and cut to the height of the terminal. */
  update(text: string): void {
    const { io } = this.#app;
    const columns = io.columns();
    // A line as wide as the terminal, or a block as high, would move the rest.
    const lines = text.split("\n")
      .flatMap((line) => pieces(line, Math.max(1, columns - 1)))
      .slice(0, Math.max(1, io.rows() - 1));
    io.stdout.write(
      this.#home(columns) +
        lines.map((line) => `${line}${CLEAR_LINE_END}\n`).join("") +
        CLEAR_BELOW,
    );
    this.#lines = lines;
  }

  /** Takes the block away, to print something above the next one. */
  clear(): void {
    this.#app.io.stdout.write(
      this.#home(this.#app.io.columns()) + CLEAR_BELOW,
    );
    this.#lines = [];
  }

  /** To the beginning of the block: a terminal made narrower has wrapped it. */
  #home(columns: number): string {
    const rows = this.#lines.reduce(
      (sum, { length }) => sum + Math.max(1, Math.ceil(length / columns)),
      0,
    );
    return rows === 0 ? "" : `\r\x1b[${rows}A`;
  }
}

/** At least one, of at most `length` characters. */
function pieces(line: string, length: number): string[] {
  const all: string[] = [];
  for (let at = 0; at === 0 || at < line.length; at += length) {
    all.push(line.slice(at, at + length));
  }
  return all;
}
