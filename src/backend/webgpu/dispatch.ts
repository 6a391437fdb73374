/**
 * What a kernel hands to the executor: shader text, the memory that it binds,
 * and how many workgroups run it.
 *
 * Kernels know pieces of memory, not places: where a piece lies is planned once
 * all dispatches are known (loading/memory_plan.ts). Whether a binding is
 * `read` or `read_write` depends on that plan, so declarations are written
 * last.
 *
 * @module
 */

import type { DType } from "../../graph/tensor.ts";

/** Device memory that one tensor, or several one after another, live in. */
export interface Memory {
  /** For people: the first tensor in it. */
  readonly name: string;
  readonly sizeBytes: number;
  /** What it must last for: everything, or what uses it in one phase. */
  readonly lifetime: "persistent" | "input" | { readonly phase: string };
  /** Content from the start, for tables that never change. */
  readonly content?: Float32Array<ArrayBuffer>;
}

/**
 * How numbers are stored. Those of two bytes are f32 where they are computed
 * with; see shader/two_byte_access.ts.
 */
export type StoredType = DType | TwoBytes;
export type TwoBytes = "bf16" | "f16";

/** How activations are to be stored, by the name that people give. */
export type StoredPrecision = "fp32" | "bf16" | "fp16";

/**
 * How a tensor of f32 is stored in another way: in two bytes a number, or in
 * f32 with rows that are filled up; see {@linkcode rowOf}.
 */
export type StoredAs = TwoBytes | "filled";

/** A tensor as a kernel sees it. */
export interface GpuTensor {
  readonly dtype: StoredType;
  /** Elements, with those that fill up rows. */
  readonly length: number;
  /** Numbers from one row to the next, where rows are filled up. */
  readonly row?: number;
  /**
   * A power of two that numbers of f16 are multiplied by as they are stored, so
   * that small ones keep their digits. Kernels read and write them without.
   */
  readonly scale?: number;
  /** Shared with the tensors whose place this one takes. */
  readonly memory: Memory;
  /** Where it begins in the memory, in bytes; a multiple of 256. */
  readonly offset: number;
}

/** One storage binding of a dispatch. */
export interface Binding {
  /** The variable in the shader. */
  readonly name: string;
  /** Element type of its array in WGSL. */
  readonly type: string;
  readonly tensor: GpuTensor;
  readonly written: boolean;
}

/** Workgroups in each dimension, at most {@linkcode MAX_GROUPS} each. */
export type Workgroups = readonly [x: number, y: number, z: number];

/** One run of one shader. */
export interface Dispatch {
  /** The op, for errors and profiles. */
  readonly label: string;
  /** Extensions of WGSL that the code needs. */
  readonly enables?: readonly string[];
  readonly bindings: readonly Binding[];
  /** WGSL without the declarations of the bindings; its entry is `main`. */
  readonly code: string;
  readonly workgroups: Workgroups;
  /** Multiplications and additions, where there are many. */
  readonly flops?: number;
}

/** Most workgroups in one dimension that every adapter allows. */
export const MAX_GROUPS = 65535;

/** Named tensors, some of which may be absent. */
export type NamedTensors = Record<string, GpuTensor | undefined>;

/** Bindings of a dispatch and the variable of every tensor. */
export interface Bound<N extends string> {
  readonly bindings: readonly Binding[];
  /** Variable names; tensors in one place have one variable. */
  readonly names: Record<N, string>;
}

/**
 * Binds tensors by their names. An output in the place of an input is the
 * same variable: binding memory twice is refused by WebGPU if one is written.
 *
 * @param options.vector Names of tensors, or true for all of f32, that are
 * declared as vec4: their length is a multiple of 4.
 * @param options.quads Of two bytes a number, those that are declared as
 * eight numbers, {@linkcode QUAD}: their length is a multiple of 8.
 */
export function bind<R extends string, W extends string>(
  tensors: {
    read: Partial<Record<R, GpuTensor>>;
    write: Partial<Record<W, GpuTensor>>;
  },
  { vector = false, quads = [] }: {
    vector?: boolean | readonly string[];
    quads?: readonly string[];
  } = {},
): Bound<R | W> {
  const bindings: { -readonly [K in keyof Binding]: Binding[K] }[] = [];
  const names: Record<string, string> = {};
  const add = (given: NamedTensors, written: boolean) => {
    for (const [name, tensor] of Object.entries(given)) {
      if (!tensor) continue;
      const wide = typeof vector === "boolean" ? vector : vector.includes(name);
      const type = quads.includes(name)
        ? QUAD
        : elementType(tensor.dtype, wide);
      const known = bindings.find((binding) => isSame(binding.tensor, tensor));
      names[name] = known?.name ?? name;
      if (!known) {
        bindings.push({ name, type, tensor, written });
      } else if (known.type === type) {
        known.written ||= written;
      } else {
        throw new TypeError(
          `Cannot bind ${name} as ${type}: it is ${known.name}, ${known.type}`,
        );
      }
    }
  };
  add(tensors.read as NamedTensors, false);
  add(tensors.write as NamedTensors, true);
  return { bindings, names: names as Record<R | W, string> };
}

/** What eight numbers of two bytes are in WGSL, as they are stored. */
export const QUAD = "vec4<u32>";

/** What an array of such numbers is made of in WGSL. */
function elementType(dtype: StoredType, wide: boolean): string {
  if (dtype === "u32") return "u32";
  if (dtype === "f32") return wide ? "vec4<f32>" : "f32";
  if (wide) return dtype === "f16" ? "vec4<f16>" : "vec2<u32>";
  throw new TypeError(`Cannot read ${dtype} one by one`);
}

/**
 * Numbers from one row of a matrix to the next.
 *
 * Of rows that are no multiple of four, no vector could be read where they lie
 * one behind another. Those of two bytes, of which eight are read at once, are
 * filled up to eights; so are those of f32 that are chosen for it, and long
 * ones to lines of a cache.
 */
export function rowOf(
  shape: readonly number[],
  stored: StoredType | StoredAs,
): number {
  const row = shape.at(-1) ?? 1;
  const isFilled = row % 4 !== 0 &&
    (stored === "filled" || bytesPerNumber(stored) === 2);
  if (!isFilled) return row;
  const whole = row < LONG_ROW ? 8 : LINE;
  return Math.ceil(row / whole) * whole;
}

/**
 * Of two bytes, numbers in 128 bytes, which a card reads at once; and rows so
 * long that filling them up to it costs less than a tenth.
 */
const LINE = 64, LONG_ROW = 640;

/** Numbers of a tensor as it is stored. */
export function storedLength(
  shape: readonly number[],
  stored: StoredType | StoredAs,
): number {
  return shape.slice(0, -1).reduce(
    (product, side) => product * side,
    rowOf(shape, stored),
  );
}

/** Bytes of one number. */
export function bytesPerNumber(stored: StoredType | StoredAs): 2 | 4 {
  return stored === "bf16" || stored === "f16" ? 2 : 4;
}

/** Whether two tensors have the same place. */
export function isSame(a: GpuTensor, b: GpuTensor): boolean {
  return a.memory === b.memory && a.offset === b.offset;
}

/** `count` workgroups, folded where one dimension does not hold them. */
export function groups(count: number): Workgroups {
  if (count <= MAX_GROUPS) return [count, 1, 1];
  return [MAX_GROUPS, Math.ceil(count / MAX_GROUPS), 1];
}

/** WGSL: the number of this workgroup among those of {@linkcode groups}. */
export function groupIndex(count: number): string {
  return count <= MAX_GROUPS
    ? "group.x"
    : `(group.x + group.y * ${MAX_GROUPS}u)`;
}
