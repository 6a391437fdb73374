/**
 * The words of a shader.
 *
 * Source: WGSL, section "Textual structure",
 * https://www.w3.org/TR/WGSL/#textual-structure.
 *
 * @module
 */

import { SourceError } from "./shader_error.ts";

/** What a token is; `end` stands behind the last. */
export type TokenKind = "name" | "number" | "symbol" | "end";

/** All tokens of a text, side by side. */
export interface Tokens {
  readonly kinds: TokenKind[];
  /** A symbol may be shortened by who takes its beginning. */
  readonly texts: string[];
  /** Index of each one's first character. */
  readonly places: number[];
}

/** Symbols of several characters, the longest first. */
const SYMBOLS = [
  ["<<=", ">>="],
  ["->", "<<", ">>", "<=", ">=", "==", "!=", "&&", "||", "++", "--"]
    .concat(["+=", "-=", "*=", "/=", "%=", "&=", "|=", "^="]),
];
const SINGLE = "(){}[]<>;:,.=+-*/%&|^!~@";

const NAME = /[A-Za-z_][A-Za-z0-9_]*/y;
const NUMBER =
  /0[xX][0-9a-fA-F]+(?:lu|[iu])?|(?:\d+\.\d*|\.\d+|\d+)(?:[eE][+-]?\d+)?(?:lu|[iufh])?/y;

/** Cuts a text into tokens. @throws {SourceError} If a character fits none. */
export function tokenize(code: string): Tokens {
  const tokens: Tokens = { kinds: [], texts: [], places: [] };
  const add = (kind: TokenKind, text: string, at: number) => {
    tokens.kinds.push(kind);
    tokens.texts.push(text);
    tokens.places.push(at);
    return at + text.length;
  };
  for (let at = 0; at < code.length;) {
    const c = code.charCodeAt(at);
    if (c === 32 || (c >= 9 && c <= 13)) {
      at++;
    } else if (c === 47 && (code[at + 1] === "/" || code[at + 1] === "*")) {
      at = behindComment(code, at);
    } else if (isLetter(c)) {
      at = add("name", match(NAME, code, at)!, at);
    } else if (isDigit(c) || (c === 46 && isDigit(code.charCodeAt(at + 1)))) {
      at = add("number", match(NUMBER, code, at)!, at);
    } else {
      at = add("symbol", symbolAt(code, at), at);
    }
  }
  add("end", "", code.length);
  return tokens;
}

function behindComment(code: string, at: number): number {
  const isLine = code[at + 1] === "/";
  const end = code.indexOf(isLine ? "\n" : "*/", at + 2);
  if (end >= 0) return isLine ? end : end + 2;
  if (isLine) return code.length;
  throw new SourceError("the comment has no end", at);
}

function symbolAt(code: string, at: number): string {
  for (const symbols of SYMBOLS) {
    const text = code.slice(at, at + symbols[0].length);
    if (symbols.includes(text)) return text;
  }
  if (SINGLE.includes(code[at])) return code[at];
  throw new SourceError(`"${code[at]}" is no part of WGSL`, at);
}

function match(pattern: RegExp, code: string, at: number): string | undefined {
  pattern.lastIndex = at;
  return pattern.exec(code)?.[0];
}

function isLetter(c: number): boolean {
  return (c >= 97 && c <= 122) || (c >= 65 && c <= 90) || c === 95;
}

function isDigit(c: number): boolean {
  return c >= 48 && c <= 57;
}
