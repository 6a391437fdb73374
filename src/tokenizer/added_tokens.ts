/**
 * Added tokens, found in UTF-8 before anything else is done with a text.
 *
 * @module
 */

import type { AddedToken } from "./tokenizer_json.ts";

/** A token in a text. */
export interface FoundToken {
  id: number;
  /** Its first byte, and one past its last. */
  at: number;
  end: number;
}

/** Looks for tokens: the leftmost, and of those that begin there the longest. */
export class AddedTokens {
  /** By first byte, the longest first. */
  #byFirst = new Map<number, { id: number; bytes: Uint8Array }[]>();

  constructor(tokens: readonly AddedToken[]) {
    const encoder = new TextEncoder();
    for (const { id, content } of tokens) {
      const bytes = encoder.encode(content);
      const first = this.#byFirst.get(bytes[0]) ?? [];
      first.push({ id, bytes });
      this.#byFirst.set(bytes[0], first);
    }
    for (const tokens of this.#byFirst.values()) {
      tokens.sort((a, b) => b.bytes.length - a.bytes.length);
    }
  }

  /** All of them in `text`, in order. */
  find(text: Uint8Array): FoundToken[] {
    const found: FoundToken[] = [];
    // One native search for each byte that can be the first: mostly just "<".
    for (const [first, tokens] of this.#byFirst) {
      for (
        let at = text.indexOf(first);
        at >= 0;
        at = text.indexOf(first, at + 1)
      ) {
        const token = tokens.find(({ bytes }) => startsWith(text, at, bytes));
        if (token === undefined) continue;
        found.push({ id: token.id, at, end: at + token.bytes.length });
      }
    }
    found.sort((a, b) => a.at - b.at);
    let end = 0; // one that begins inside another is none
    return found.filter((token) => {
      if (token.at < end) return false;
      end = token.end;
      return true;
    });
  }
}

function startsWith(text: Uint8Array, at: number, bytes: Uint8Array): boolean {
  if (at + bytes.length > text.length) return false;
  for (let i = 0; i < bytes.length; i++) {
    if (text[at + i] !== bytes[i]) return false;
  }
  return true;
}
