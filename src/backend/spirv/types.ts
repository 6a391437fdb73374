/**
 * Types of a shader. Each exists once, so that equal ones are identical.
 *
 * @module
 */

/** Numbers and truths; `int` and `float` are literals without a suffix. */
export type ScalarName =
  | "bool"
  | "u32"
  | "u64"
  | "i32"
  | "f32"
  | "f16"
  | "bf16"
  | "int"
  | "float";

/** One number, or one truth. */
export interface Scalar {
  readonly kind: "scalar";
  readonly name: ScalarName;
}

/** Two to four of them. */
export interface Vector {
  readonly kind: "vector";
  readonly of: Scalar;
  readonly size: number;
}

/** Many of something; a buffer has no length. */
export interface ArrayType {
  readonly kind: "array";
  readonly of: Type;
  readonly length?: number;
}

/** Named members. */
export interface Struct {
  readonly kind: "struct";
  readonly name: string;
  readonly members: readonly { readonly name: string; readonly type: Type }[];
}

/** A matrix that the threads of a subgroup hold together. */
export interface CoopMatrix {
  readonly kind: "matrix";
  readonly of: Scalar;
  readonly rows: number;
  readonly columns: number;
  /** Left or right factor, or result. */
  readonly use: MatrixUse;
}

/** What a {@linkcode CoopMatrix} is in a product. */
export type MatrixUse = "A" | "B" | "C";

/** Any type. */
export type Type = Scalar | Vector | ArrayType | Struct | CoopMatrix;

/** The types of a single number. */
export const SCALARS: Readonly<Record<ScalarName, Scalar>> = {
  bool: { kind: "scalar", name: "bool" },
  u32: { kind: "scalar", name: "u32" },
  u64: { kind: "scalar", name: "u64" },
  i32: { kind: "scalar", name: "i32" },
  f32: { kind: "scalar", name: "f32" },
  f16: { kind: "scalar", name: "f16" },
  bf16: { kind: "scalar", name: "bf16" },
  int: { kind: "scalar", name: "int" },
  float: { kind: "scalar", name: "float" },
};

const VECTORS = new Map<Scalar, readonly Vector[]>(
  Object.values(SCALARS).map((of) => [
    of,
    [2, 3, 4].map((size) => ({ kind: "vector", of, size })),
  ]),
);

/** So many of a scalar; one is the scalar itself. */
export function vectorOf(of: Scalar, size: number): Scalar | Vector {
  return size === 1 ? of : VECTORS.get(of)![size - 2];
}

/** Arrays and matrices of one shader. */
export class TypeTable {
  readonly #known = new Map<unknown, Map<string, ArrayType | CoopMatrix>>();

  /** The array of so many. */
  array(of: Type, length?: number): ArrayType {
    return this.#get(of, String(length), { kind: "array", of, length });
  }

  /** The matrix of a shape. */
  matrix(of: Scalar, shape: Omit<CoopMatrix, "kind" | "of">): CoopMatrix {
    const { rows, columns, use } = shape;
    const key = `${rows}x${columns}${use}`;
    return this.#get(of, key, { kind: "matrix", of, rows, columns, use });
  }

  #get<T extends ArrayType | CoopMatrix>(of: Type, key: string, type: T): T {
    let known = this.#known.get(of);
    if (!known) this.#known.set(of, known = new Map());
    // A key has its kind in it, and so says the type.
    const found = known.get(key) as T | undefined;
    if (!found) known.set(key, type);
    return found ?? type;
  }
}

/** The scalar of a number, truth, vector or matrix. */
export function scalarOf(type: Type): Scalar | undefined {
  if (type.kind === "scalar") return type;
  return type.kind === "vector" || type.kind === "matrix" ? type.of : undefined;
}

/** How many numbers a scalar or vector has; 0 for others. */
export function sizeOf(type: Type): number {
  return type.kind === "scalar" ? 1 : type.kind === "vector" ? type.size : 0;
}

/** Whether it takes the type that is wanted. */
export function isAbstract({ name }: Scalar): boolean {
  return name === "int" || name === "float";
}

/** Whether it is an integer. */
export function isInteger({ name }: Scalar): boolean {
  return name === "u32" || name === "i32" || name === "u64" || name === "int";
}

/** Whether it has fractions. */
export function isFloat({ name }: Scalar): boolean {
  return name === "f32" || name === "f16" || name === "float" ||
    name === "bf16";
}

/** Bytes of a type in a buffer, and what its place is a multiple of. */
function layoutOf(type: Type): { size: number; align: number } {
  switch (type.kind) {
    case "scalar": {
      const isHalf = type.name === "f16" || type.name === "bf16";
      const size = isHalf ? 2 : type.name === "u64" ? 8 : 4;
      return { size, align: size };
    }
    case "vector": {
      const { size } = layoutOf(type.of);
      const align = size * (type.size === 2 ? 2 : 4);
      return { size: size * type.size, align };
    }
    case "array": {
      const { align } = layoutOf(type.of);
      return { size: strideOf(type) * (type.length ?? 1), align };
    }
    case "struct":
    case "matrix":
      throw new TypeError(`A ${type.kind} has no place in a buffer`);
  }
}

/** Bytes from one element to the next. */
export function strideOf({ of }: ArrayType): number {
  const { size, align } = layoutOf(of);
  return Math.ceil(size / align) * align;
}

/** A type as it is written. */
export function nameOf(type: Type): string {
  switch (type.kind) {
    case "scalar":
      return type.name;
    case "vector":
      return `vec${type.size}<${type.of.name}>`;
    case "array":
      return `array<${nameOf(type.of)}${
        type.length === undefined ? "" : `, ${type.length}`
      }>`;
    case "struct":
      return type.name;
    case "matrix":
      return `coop_mat${type.rows}x${type.columns}<${type.of.name}, ${type.use}>`;
  }
}
