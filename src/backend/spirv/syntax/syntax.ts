/**
 * A shader as a tree: what is written, before anything has a type.
 *
 * @module
 */

/** A name, of a thing or a type, with what stands in its angle brackets. */
export interface Name {
  readonly kind: "name";
  readonly at: number;
  readonly name: string;
  readonly args?: readonly Expression[];
}

/** What has a value. `at` is the index of a character, for errors. */
export type Expression =
  | Name
  | {
    readonly kind: "number";
    readonly at: number;
    readonly value: number;
    /** `float` and `int` are literals that take the type that is wanted. */
    readonly type: "f32" | "f16" | "u64" | "u32" | "i32" | "float" | "int";
  }
  | { readonly kind: "bool"; readonly at: number; readonly value: boolean }
  | {
    readonly kind: "unary";
    readonly at: number;
    readonly operator: "-" | "!" | "~" | "&";
    readonly operand: Expression;
  }
  | {
    readonly kind: "binary";
    readonly at: number;
    readonly operator: BinaryOperator;
    readonly left: Expression;
    readonly right: Expression;
  }
  | Call
  | {
    readonly kind: "index";
    readonly at: number;
    readonly base: Expression;
    readonly index: Expression;
  }
  | {
    readonly kind: "member";
    readonly at: number;
    readonly base: Expression;
    readonly name: string;
  };

/** The call of a function, or of a type as a constructor. */
export interface Call {
  readonly kind: "call";
  readonly at: number;
  readonly callee: Name;
  readonly args: readonly Expression[];
}

/** Operators between two numbers, or two truths. */
export type BinaryOperator =
  | ("+" | "-" | "*" | "/" | "%" | "<<" | ">>" | "&" | "|" | "^")
  | ("<" | ">" | "<=" | ">=" | "==" | "!=" | "&&" | "||");

/** `let`, `const` or `var` of a function. */
export interface Declaration {
  readonly kind: "declare";
  readonly at: number;
  readonly how: "let" | "const" | "var";
  readonly name: string;
  readonly type?: Name;
  readonly value?: Expression;
}

/** `left = right`, or `left op= right`; without `left` it is `_ = right`. */
export interface Assignment {
  readonly kind: "assign";
  readonly at: number;
  readonly left?: Expression;
  readonly operator?: BinaryOperator;
  readonly right: Expression;
}

/** A loop of any kind. */
export interface Loop {
  readonly kind: "loop";
  readonly at: number;
  readonly begin?: Statement;
  /** Asked before each turn. */
  readonly condition?: Expression;
  readonly body: readonly Statement[];
  /** Done after each turn. */
  readonly next: readonly Statement[];
  /** Asked after `next`: whether to leave. */
  readonly breakIf?: Expression;
}

/** A step of a function. */
export type Statement =
  | Declaration
  | Assignment
  | Loop
  | { readonly kind: "block"; readonly body: readonly Statement[] }
  | {
    readonly kind: "if";
    readonly at: number;
    readonly condition: Expression;
    readonly then: readonly Statement[];
    readonly otherwise?: readonly Statement[];
  }
  | { readonly kind: "call"; readonly at: number; readonly call: Call }
  | {
    readonly kind: "return";
    readonly at: number;
    readonly value?: Expression;
  }
  | { readonly kind: "break" | "continue"; readonly at: number };

/** `@name` or `@name(args)`. */
export interface Attribute {
  readonly at: number;
  readonly name: string;
  readonly args: readonly Expression[];
}

/** What a function is given. */
export interface Parameter {
  readonly at: number;
  readonly name: string;
  readonly type: Name;
  readonly attributes: readonly Attribute[];
}

/** A function. */
export interface FunctionSyntax {
  readonly at: number;
  readonly name: string;
  readonly attributes: readonly Attribute[];
  readonly parameters: readonly Parameter[];
  readonly result?: Name;
  readonly body: readonly Statement[];
}

/** A variable of the whole shader. */
export interface GlobalSyntax {
  readonly at: number;
  readonly name: string;
  readonly attributes: readonly Attribute[];
  readonly space: "storage" | "workgroup" | "private";
  /** Of the space `storage`. */
  readonly isWritable: boolean;
  readonly type: Name;
  readonly value?: Expression;
}

/** A type with named members. */
export interface StructSyntax {
  readonly at: number;
  readonly name: string;
  readonly members: readonly { readonly name: string; readonly type: Name }[];
}

/** A whole shader. */
export interface ShaderSyntax {
  /** Extensions that are asked for. */
  readonly enabled: readonly { readonly at: number; readonly name: string }[];
  /** Whether threads of a workgroup tell each other of what is in buffers. */
  readonly sharesBuffers: boolean;
  readonly aliases: ReadonlyMap<string, Name>;
  readonly structs: ReadonlyMap<string, StructSyntax>;
  readonly constants: readonly Declaration[];
  readonly globals: readonly GlobalSyntax[];
  readonly functions: ReadonlyMap<string, FunctionSyntax>;
}
