/**
 * Expressions and types of a shader.
 *
 * Operators bind as in C. WGSL asks for parentheses where that would surprise,
 * so a text that other compilers take means the same here.
 *
 * @module
 */

import { SourceError } from "./shader_error.ts";
import type { BinaryOperator, Expression, Name } from "./syntax.ts";
import type { TokenReader } from "./token_reader.ts";

const BINDING: Readonly<Record<string, number>> = {
  "||": 1,
  "&&": 2,
  "|": 3,
  "^": 4,
  "&": 5,
  "==": 6,
  "!=": 6,
  "<": 7,
  ">": 7,
  "<=": 7,
  ">=": 7,
  "<<": 8,
  ">>": 8,
  "+": 9,
  "-": 9,
  "*": 10,
  "/": 10,
  "%": 10,
};
/** What may stand in angle brackets without parentheses. */
const SUM = 9;

/** Names that angle brackets may follow; behind others, `<` compares. */
const TAKES_BRACKETS = /^(vec[234]|array|bitcast|ptr|coop\w+)$/;

/** Reads an expression. @throws {SourceError} */
export function parseExpression(tokens: TokenReader): Expression {
  return parseBinary(tokens, 1);
}

/** Reads a type. @throws {SourceError} */
export function parseType(tokens: TokenReader): Name {
  const { at } = tokens;
  return parseName(tokens, tokens.name(), at);
}

/** Reads arguments from behind their parenthesis on. @throws {SourceError} */
export function parseArguments(tokens: TokenReader): Expression[] {
  const args: Expression[] = [];
  while (!tokens.takes(")")) {
    args.push(parseExpression(tokens));
    if (tokens.takes(")")) break;
    tokens.expect(",");
  }
  return args;
}

function parseBinary(tokens: TokenReader, least: number): Expression {
  let left = parseUnary(tokens);
  while (tokens.kind === "symbol") {
    const binding = BINDING[tokens.text];
    if (binding === undefined || binding < least) break;
    const { at } = tokens;
    const operator = tokens.take() as BinaryOperator;
    const right = parseBinary(tokens, binding + 1);
    left = { kind: "binary", at, operator, left, right };
  }
  return left;
}

function parseUnary(tokens: TokenReader): Expression {
  const { at, text } = tokens;
  if (text === "-" || text === "!" || text === "~" || text === "&") {
    tokens.take();
    const operand = parseUnary(tokens);
    if (
      text === "-" && operand.kind === "number" && !operand.type.startsWith("u")
    ) {
      return { ...operand, at, value: -operand.value };
    }
    return { kind: "unary", at, operator: text, operand };
  }
  return parsePostfix(tokens);
}

function parsePostfix(tokens: TokenReader): Expression {
  let base = parsePrimary(tokens);
  for (;;) {
    const { at } = tokens;
    if (tokens.takes("[")) {
      const index = parseExpression(tokens);
      tokens.expect("]");
      base = { kind: "index", at, base, index };
    } else if (tokens.takes(".")) {
      base = { kind: "member", at, base, name: tokens.name() };
    } else {
      return base;
    }
  }
}

function parsePrimary(tokens: TokenReader): Expression {
  const { at, kind } = tokens;
  if (kind === "number") return parseNumber(tokens.take(), at);
  if (tokens.takes("(")) {
    const inner = parseExpression(tokens);
    tokens.expect(")");
    return inner;
  }
  if (kind !== "name") throw tokens.wrong("an expression");
  const word = tokens.take();
  if (word === "true" || word === "false") {
    return { kind: "bool", at, value: word === "true" };
  }
  const name = parseName(tokens, word, at);
  if (!tokens.takes("(")) return name;
  return { kind: "call", at, callee: name, args: parseArguments(tokens) };
}

function parseName(tokens: TokenReader, name: string, at: number): Name {
  if (!tokens.sees("<") || !TAKES_BRACKETS.test(name)) {
    return { kind: "name", at, name };
  }
  tokens.expect("<");
  const args = [parseBinary(tokens, SUM)];
  while (tokens.takes(",")) args.push(parseBinary(tokens, SUM));
  tokens.expectClosing();
  return { kind: "name", at, name, args };
}

const SUFFIXES = { f: "f32", h: "f16", lu: "u64", u: "u32", i: "i32" } as const;

function parseNumber(text: string, at: number): Expression {
  const isHex = /^0[xX]/.test(text);
  const [suffix] = (isHex ? /(?:lu|[ui])?$/ : /[a-df-z]*$/).exec(text)!;
  const digits = text.slice(0, text.length - suffix.length);
  const value = Number(digits);
  const type = suffix
    ? SUFFIXES[suffix as keyof typeof SUFFIXES]
    : !isHex && /[.eE]/.test(text)
    ? "float"
    : "int";
  const most = type === "u64" ? Number.MAX_SAFE_INTEGER : 0xffffffff;
  const isWhole = type !== "f32" && type !== "f16" && type !== "float";
  if (isWhole && (!Number.isInteger(value) || value > most)) {
    throw new SourceError(`"${text}" is no integer of that size`, at);
  }
  return { kind: "number", at, value, type };
}
