/**
 * Pieces of WGSL that several kernels share.
 *
 * Loops cost some ten instructions per turn that no flag removes, so text is
 * unrolled here, in TypeScript.
 *
 * @module
 */

/** A number as an f32 literal. @throws {RangeError} If it is not finite. */
export function f32(value: number): string {
  const rounded = Math.fround(value);
  if (!Number.isFinite(rounded)) {
    throw new RangeError(`Cannot write ${value} as a number of a shader`);
  }
  return rounded < 0 ? `(${rounded}f)` : `${rounded}f`;
}

/** Lines from 0 to n - 1. */
export function lines(n: number, line: (i: number) => string): string {
  return Array.from({ length: n }, (_, i) => line(i)).join("\n");
}

/** The numbers from 0 to n - 1. */
export function range(n: number): number[] {
  return Array.from({ length: n }, (_, i) => i);
}

/** An expression for each of 0 to n - 1, joined by `operator`. */
export function joined(
  n: number,
  operator: string,
  term: (i: number) => string,
): string {
  return Array.from({ length: n }, (_, i) => term(i)).join(operator);
}

/**
 * The entry point; `lane` and `group` are in scope of `body`.
 *
 * @param options.subgroup Whether `subgroup` is, too: which of the workgroup;
 * and `sublane`, which thread of it.
 */
export function entry(
  threads: number,
  body: string,
  { subgroup = false } = {},
): string {
  return `
@compute @workgroup_size(${threads})
fn main(
  @builtin(local_invocation_index) lane: u32,
  @builtin(workgroup_id) group: vec3<u32>,${
    subgroup
      ? `
  @builtin(subgroup_id) subgroup: u32,
  @builtin(subgroup_invocation_id) sublane: u32,`
      : ""
  }
) {
${body}
}
`;
}

/**
 * `sumAll(value, lane)` and `maxAll(value, lane)`: over all threads of the
 * workgroup, in an order that is fixed by its size. To be called by all.
 *
 * Two rounds of sqrt(threads) each need two barriers, a tree needs seven or
 * eight. The first round reads with a stride, so that banks do not collide.
 */
export function reductions(threads: 64 | 256): string {
  const side = Math.sqrt(threads);
  const reduce = (name: string, combine: (a: string, b: string) => string) => {
    const all = (term: (i: number) => string) =>
      Array.from({ length: side }, (_, i) => term(i)).reduce(combine);
    return `
fn ${name}(value: f32, lane: u32) -> f32 {
  reduceFirst[lane] = value;
  workgroupBarrier();
  if (lane < ${side}u) {
    reduceSecond[lane] = ${all((i) => `reduceFirst[lane + ${i * side}u]`)};
  }
  workgroupBarrier();
  return ${all((i) => `reduceSecond[${i}]`)};
}
`;
  };
  return `
var<workgroup> reduceFirst: array<f32, ${threads}>;
var<workgroup> reduceSecond: array<f32, ${side}>;
${reduce("sumAll", (a, b) => `(${a} + ${b})`)}
${reduce("maxAll", (a, b) => `max(${a}, ${b})`)}
`;
}

/** WGSL: whether x is neither infinite nor NaN, which compilers may deny. */
export const IS_FINITE = `
fn isFinite(x: f32) -> bool {
  return (bitcast<u32>(x) & 0x7f800000u) != 0x7f800000u;
}
`;
