/**
 * Values of the machine of _machine.ts, and how they are read from memory
 * and written to it.
 *
 * @module
 */

import { BITS_IN, bitsOf, ofBits } from "./_bits.ts";
import { type Accessor, type Leaf, Memory, type Stored } from "./_memory.ts";

/** A type of SPIR-V, as far as values depend on it. */
export type Type =
  | { kind: "scalar"; name: keyof typeof BITS_IN | "bool" | "u64" }
  | { kind: "many"; of: Type; size: number } // vector or array
  | { kind: "matrix"; of: Type; rows: number; columns: number }
  | { kind: "struct"; members: Type[] }
  | { kind: "pointer"; to: Type; storage: number }
  | { kind: "function" | "void" };

/** Of a number, or of its parts. */
export type Value = Leaf | Value[] | Pointer;

/** A place in memory. */
export interface Pointer {
  readonly memory: Memory;
  readonly at: number;
  readonly type: Type;
}

/** The type of a matrix that a subgroup holds. */
export type MatrixType = Type & { kind: "matrix" };

/** Memory of its own for a variable. */
export function fresh(name: string, type: Type, isShared: boolean): Pointer {
  const memory = new Memory(name, { size: sizeOf(type), isShared });
  return { memory, at: 0, type };
}

/** How many numbers a type has. */
export function sizeOf(type: Type): number {
  switch (type.kind) {
    case "many":
      return type.size === Infinity ? Infinity : type.size * sizeOf(type.of);
    case "struct":
      return type.members.reduce((sum, member) => sum + sizeOf(member), 0);
    default:
      return 1;
  }
}

/** Element or member of what a pointer is to. */
export function part({ memory, at, type }: Pointer, index: number): Pointer {
  if (type.kind === "struct") {
    const before = type.members.slice(0, index);
    const from = before.reduce((sum, member) => sum + sizeOf(member), 0);
    return { memory, at: at + from, type: type.members[index] };
  }
  if (type.kind !== "many" || !(index >= 0 && index < type.size)) {
    throw new Error(`index ${index} is outside of its array`);
  }
  return { memory, at: at + index * sizeOf(type.of), type: type.of };
}

/** What is at a place. */
export function load({ memory, at, type }: Pointer, who: Accessor): Value {
  if (type.kind !== "many" && type.kind !== "struct") {
    return memory.read(at, who);
  }
  const count = type.kind === "many" ? type.size : type.members.length;
  return Array.from(
    { length: count },
    (_, i) => load(part({ memory, at, type }, i), who),
  );
}

/** Puts a value at a place. */
export function store(to: Pointer, value: Value, who: Accessor): void {
  const isOne = !Array.isArray(value) || to.type.kind === "matrix";
  if (isOne) return to.memory.write(to.at, value as Leaf, who);
  value.forEach((one, i) => store(part(to, i), one, who));
}

/** All numbers 0. */
export function zero(type: Type): Value {
  if (type.kind === "matrix") {
    return Array<number>(type.rows * type.columns).fill(0);
  }
  if (type.kind === "many") {
    return Array.from({ length: type.size }, () => zero(type.of));
  }
  if (type.kind === "struct") return type.members.map(zero);
  if (type.kind !== "scalar" || type.name === "bool") return false;
  return type.name === "u64" ? 0n : 0;
}

/** Of each of the numbers, as one of the type; single ones are for all. */
export function each(
  type: Type,
  operands: readonly Value[],
  compute: (...numbers: Leaf[]) => Leaf,
): Value {
  if (type.kind === "matrix") {
    return each(
      { kind: "many", of: type.of, size: type.rows * type.columns },
      operands,
      compute,
    );
  }
  if (type.kind !== "many") {
    return asOne(compute(...operands as Leaf[]), type);
  }
  return Array.from({ length: type.size }, (_, i) =>
    each(
      type.of,
      operands.map((one) => Array.isArray(one) ? one[i] : one),
      compute,
    ));
}

function asOne(leaf: Leaf, type: Type): Leaf {
  if (type.kind !== "scalar" || typeof leaf !== "number") return leaf;
  switch (type.name) {
    case "u32":
      return leaf >>> 0;
    case "i32":
      return leaf | 0;
    case "f16":
      return Math.f16round(leaf);
    case "bf16":
      return ofBits(bitsOf(leaf, "bf16"), "bf16");
    default:
      return leaf;
  }
}

/** The name of the numbers of a type. */
export function nameOf(type: Type): string {
  if (type.kind === "many" || type.kind === "matrix") return nameOf(type.of);
  return type.kind === "scalar" ? type.name : type.kind;
}

/** The same bits as numbers of another type, more or fewer. */
export function recast(value: Value, from: Type, to: Type): Value {
  const width = (type: Type) => BITS_IN[nameOf(type) as keyof typeof BITS_IN];
  let bits = 0n;
  for (const leaf of [value].flat().toReversed() as Leaf[]) {
    bits = bits << BigInt(width(from)) | BigInt(bitsOf(leaf, nameOf(from)));
  }
  return each(to, [], () => {
    const leaf = Number(BigInt.asUintN(width(to), bits));
    bits >>= BigInt(width(to));
    return ofBits(leaf, nameOf(to));
  });
}

/** How the numbers of a buffer are stored. */
export function storedIn(type: Type): Stored {
  if (type.kind === "struct") return storedIn(type.members[0]);
  return nameOf(type) as Stored;
}
