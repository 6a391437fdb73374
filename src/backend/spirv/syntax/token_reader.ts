/**
 * Walks over the tokens of a shader.
 *
 * @module
 */

import { SourceError } from "./shader_error.ts";
import { tokenize, type Tokens } from "./tokens.ts";

/** Where a parser stands. */
export class TokenReader {
  readonly #tokens: Tokens;
  #i = 0;

  constructor(code: string) {
    this.#tokens = tokenize(code);
  }

  /** Text of the token that is next. */
  get text(): string {
    return this.#tokens.texts[this.#i];
  }

  /** Its kind. */
  get kind(): Tokens["kinds"][number] {
    return this.#tokens.kinds[this.#i];
  }

  /** Index of its first character. */
  get at(): number {
    return this.#tokens.places[this.#i];
  }

  /** Text of the token behind it. */
  get second(): string {
    return this.#tokens.texts[this.#i + 1] ?? "";
  }

  /** Whether a symbol or word is anywhere. */
  has(text: string): boolean {
    return this.#tokens.texts.includes(text);
  }

  /** Whether a symbol or word is next. */
  sees(text: string): boolean {
    return this.text === text;
  }

  /** Takes it if it is next. */
  takes(text: string): boolean {
    if (this.text !== text) return false;
    this.#i++;
    return true;
  }

  /** Takes what is next, whatever it is. */
  take(): string {
    return this.#tokens.texts[this.#i++];
  }

  /** Takes what has to be next. @throws {SourceError} If it is not. */
  expect(text: string): void {
    if (!this.takes(text)) throw this.wrong(`"${text}"`);
  }

  /** Takes a name. @throws {SourceError} If none is next. */
  name(): string {
    if (this.kind !== "name") throw this.wrong("a name");
    return this.take();
  }

  /** Takes a `>`, which may be the beginning of a longer symbol. */
  expectClosing(): void {
    const { text } = this;
    if (text[0] !== ">") throw this.wrong('">"');
    if (text.length === 1) this.#i++;
    else {
      this.#tokens.texts[this.#i] = text.slice(1);
      this.#tokens.places[this.#i]++;
    }
  }

  /** An error: something else was to be here. */
  wrong(expected: string): SourceError {
    const found = this.kind === "end" ? "the end" : `"${this.text}"`;
    return new SourceError(`expected ${expected}, found ${found}`, this.at);
  }
}
