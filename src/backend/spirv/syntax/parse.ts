/**
 * Declarations and statements of a shader.
 *
 * @module
 */

import {
  parseArguments,
  parseExpression,
  parseType,
} from "./parse_expression.ts";
import { SourceError } from "./shader_error.ts";
import type {
  Attribute,
  BinaryOperator,
  Declaration,
  Expression,
  FunctionSyntax,
  GlobalSyntax,
  Loop,
  Name,
  Parameter,
  ShaderSyntax,
  Statement,
  StructSyntax,
} from "./syntax.ts";
import { TokenReader } from "./token_reader.ts";

/** Reads a shader. @throws {SourceError} If it is outside of the subset. */
export function parse(code: string): ShaderSyntax {
  const tokens = new TokenReader(code);
  const enabled: { at: number; name: string }[] = [];
  const aliases = new Map<string, Name>();
  const structs = new Map<string, StructSyntax>();
  const constants: Declaration[] = [];
  const globals: GlobalSyntax[] = [];
  const functions = new Map<string, FunctionSyntax>();
  while (tokens.kind !== "end") {
    if (tokens.takes(";")) continue;
    const attributes = parseAttributes(tokens);
    const { at } = tokens;
    const word = tokens.name();
    if (word === "enable") {
      do enabled.push({ at: tokens.at, name: tokens.name() }); while (
        tokens.takes(",")
      );
      tokens.expect(";");
    } else if (word === "alias") {
      const name = tokens.name();
      tokens.expect("=");
      aliases.set(name, parseType(tokens));
      tokens.expect(";");
    } else if (word === "const") {
      constants.push(parseDeclaration(tokens, word, at));
      tokens.expect(";");
    } else if (word === "struct") {
      const struct = parseStruct(tokens, at);
      structs.set(struct.name, struct);
    } else if (word === "var") {
      globals.push(parseGlobal(tokens, attributes, at));
    } else if (word === "fn") {
      const one = parseFunction(tokens, attributes, at);
      functions.set(one.name, one);
    } else {
      throw new SourceError(`expected a declaration, found "${word}"`, at);
    }
  }
  const sharesBuffers = tokens.has("storageBarrier");
  return {
    ...{ enabled, sharesBuffers, aliases, structs },
    ...{ constants, globals, functions },
  };
}

function parseAttributes(tokens: TokenReader): Attribute[] {
  const attributes: Attribute[] = [];
  for (let { at } = tokens; tokens.takes("@"); at = tokens.at) {
    const name = tokens.name();
    const args = tokens.takes("(") ? parseArguments(tokens) : [];
    attributes.push({ at, name, args });
  }
  return attributes;
}

function parseStruct(tokens: TokenReader, at: number): StructSyntax {
  const name = tokens.name();
  const members: { name: string; type: Name }[] = [];
  tokens.expect("{");
  while (!tokens.takes("}")) {
    const name = tokens.name();
    tokens.expect(":");
    members.push({ name, type: parseType(tokens) });
    if (tokens.takes("}")) break;
    tokens.expect(",");
  }
  return { at, name, members };
}

function parseGlobal(
  tokens: TokenReader,
  attributes: readonly Attribute[],
  at: number,
): GlobalSyntax {
  tokens.expect("<");
  const space = tokens.name();
  if (space !== "storage" && space !== "workgroup" && space !== "private") {
    throw new SourceError(`variables of "${space}" are not supported`, at);
  }
  let isWritable = space !== "storage";
  if (tokens.takes(",")) {
    const access = tokens.name();
    if (access !== "read" && access !== "read_write") {
      throw new SourceError(`there is no access "${access}"`, at);
    }
    isWritable = access === "read_write";
  }
  tokens.expectClosing();
  const name = tokens.name();
  tokens.expect(":");
  const type = parseType(tokens);
  const value = tokens.takes("=") ? parseExpression(tokens) : undefined;
  tokens.expect(";");
  return { at, name, attributes, space, isWritable, type, value };
}

function parseFunction(
  tokens: TokenReader,
  attributes: readonly Attribute[],
  at: number,
): FunctionSyntax {
  const name = tokens.name();
  const parameters: Parameter[] = [];
  tokens.expect("(");
  while (!tokens.takes(")")) {
    const attributes = parseAttributes(tokens);
    const { at } = tokens;
    const name = tokens.name();
    tokens.expect(":");
    parameters.push({ at, name, attributes, type: parseType(tokens) });
    if (tokens.takes(")")) break;
    tokens.expect(",");
  }
  const result = tokens.takes("->") ? parseType(tokens) : undefined;
  const body = parseBlock(tokens);
  return { at, name, attributes, parameters, result, body };
}

function parseBlock(tokens: TokenReader): Statement[] {
  const body: Statement[] = [];
  tokens.expect("{");
  while (!tokens.takes("}")) {
    if (!tokens.takes(";")) body.push(parseStatement(tokens));
  }
  return body;
}

function parseStatement(tokens: TokenReader): Statement {
  const { at, text } = tokens;
  if (text === "{") return { kind: "block", body: parseBlock(tokens) };
  if (text === "if") return parseIf(tokens);
  if (text === "for") return parseFor(tokens);
  if (text === "while") {
    tokens.take();
    const condition = parseExpression(tokens);
    return { kind: "loop", at, condition, body: parseBlock(tokens), next: [] };
  }
  if (text === "loop") return parseLoop(tokens);
  const statement = parseSimple(tokens);
  tokens.expect(";");
  return statement;
}

/** What ends with a semicolon. */
function parseSimple(tokens: TokenReader): Statement {
  const { at, text } = tokens;
  switch (text) {
    case "let":
    case "const":
    case "var":
      tokens.take();
      return parseDeclaration(tokens, text, at);
    case "return":
      tokens.take();
      return {
        kind: "return",
        at,
        value: tokens.sees(";") ? undefined : parseExpression(tokens),
      };
    case "break":
    case "continue":
      tokens.take();
      return { kind: text, at };
  }
  if (text === "_" && tokens.second === "=") {
    tokens.take();
    tokens.take();
    return { kind: "assign", at, right: parseExpression(tokens) };
  }
  const left = parseExpression(tokens);
  if (left.kind === "call") return { kind: "call", at, call: left };
  return parseAssignment(tokens, left);
}

function parseAssignment(tokens: TokenReader, left: Expression): Statement {
  const { at, text } = tokens;
  if (text === "++" || text === "--") {
    tokens.take();
    const right = { kind: "number", at, value: 1, type: "int" } as const;
    return { kind: "assign", at, left, operator: text[0] as "+" | "-", right };
  }
  if (!/^([-+*/%&|^]|<<|>>)?=$/.test(text)) throw tokens.wrong('"="');
  tokens.take();
  const operator = text === "="
    ? undefined
    : text.slice(0, -1) as BinaryOperator;
  return { kind: "assign", at, left, operator, right: parseExpression(tokens) };
}

/** From the name on, without its semicolon. */
function parseDeclaration(
  tokens: TokenReader,
  how: Declaration["how"],
  at: number,
): Declaration {
  const name = tokens.name();
  const type = tokens.takes(":") ? parseType(tokens) : undefined;
  const value = tokens.takes("=") ? parseExpression(tokens) : undefined;
  if (!value && (how !== "var" || !type)) throw tokens.wrong('"="');
  return { kind: "declare", at, how, name, type, value };
}

function parseIf(tokens: TokenReader): Statement {
  const { at } = tokens;
  tokens.expect("if");
  const condition = parseExpression(tokens);
  const then = parseBlock(tokens);
  const otherwise = !tokens.takes("else")
    ? undefined
    : tokens.sees("if")
    ? [parseIf(tokens)]
    : parseBlock(tokens);
  return { kind: "if", at, condition, then, otherwise };
}

function parseFor(tokens: TokenReader): Loop {
  const { at } = tokens;
  tokens.expect("for");
  tokens.expect("(");
  const begin = tokens.sees(";") ? undefined : parseSimple(tokens);
  tokens.expect(";");
  const condition = tokens.sees(";") ? undefined : parseExpression(tokens);
  tokens.expect(";");
  const next = tokens.sees(")") ? [] : [parseSimple(tokens)];
  tokens.expect(")");
  return { kind: "loop", at, begin, condition, body: parseBlock(tokens), next };
}

function parseLoop(tokens: TokenReader): Loop {
  const { at } = tokens;
  tokens.expect("loop");
  tokens.expect("{");
  const body: Statement[] = [];
  const next: Statement[] = [];
  let breakIf: Expression | undefined;
  while (!tokens.takes("}")) {
    if (tokens.takes(";")) continue;
    if (!tokens.takes("continuing")) {
      body.push(parseStatement(tokens));
      continue;
    }
    tokens.expect("{");
    while (!tokens.takes("}")) {
      if (tokens.sees("break") && tokens.second === "if") {
        tokens.take();
        tokens.take();
        breakIf = parseExpression(tokens);
        tokens.expect(";");
      } else if (!tokens.takes(";")) next.push(parseStatement(tokens));
    }
  }
  return { kind: "loop", at, body, next, breakIf };
}
