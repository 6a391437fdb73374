/**
 * Text from ids that arrive one by one.
 *
 * A character may be spread over several ids; it is held back until its last
 * byte is there. Some tokenizers drop a space in front of the first token, so
 * new ids are always decoded together with the ones before them.
 *
 * @module
 */

import type { Tokenizer } from "../tokenizer/tokenizer.ts";

/** What decoders put in place of bytes that are not (yet) a character. */
const REPLACEMENT = "\ufffd";

/** Bytes of the longest UTF-8 character, less the one that completes it. */
const MAX_PARTIAL = 3;

/** Turns ids into pieces of text that together are the whole text. */
export class TextStream {
  readonly #tokenizer: Pick<Tokenizer, "decode">;
  /** First ids whose text is out already, then the new ones. */
  #ids: number[];
  #known: number;
  /** Characters of the text of #ids that are out. */
  #emitted: number;

  /** @param before Ids of the text that the stream continues. */
  constructor(
    tokenizer: Pick<Tokenizer, "decode">,
    before: ArrayLike<number> = [],
  ) {
    this.#tokenizer = tokenizer;
    this.#ids = Array.from(before);
    this.#known = this.#ids.length;
    this.#emitted = this.#decode().length;
  }

  /** The text that `id` completes, often none. */
  push(id: number): string {
    this.#ids.push(id);
    const text = this.#decode();
    const complete = text.length - partialAtEnd(text);
    const piece = text.slice(this.#emitted, complete);
    this.#emitted = Math.max(this.#emitted, complete);
    if (piece !== "" && complete === text.length) {
      // The newest ids are context enough for the next ones.
      this.#ids.splice(0, this.#known);
      this.#known = this.#ids.length;
      this.#emitted = this.#decode().length;
    }
    return piece;
  }

  /** What was held back; to be called at the end. */
  flush(): string {
    const text = this.#decode();
    const rest = text.slice(this.#emitted);
    this.#emitted = text.length;
    return rest;
  }

  #decode(): string {
    // Some decoders do not take an empty list.
    return this.#ids.length === 0 ? "" : this.#tokenizer.decode(this.#ids);
  }
}

/** How many characters at the end may turn into another one. */
function partialAtEnd(text: string): number {
  let partial = 0;
  while (partial < MAX_PARTIAL && text.at(-1 - partial) === REPLACEMENT) {
    partial++;
  }
  return partial;
}
