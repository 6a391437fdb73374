/**
 * The depth of a product of few rows, as one thread goes through it.
 *
 * A unit is a square of 4 x 4 numbers of b, by four numbers of each row of a.
 * A thread asks for all of a round before it uses one: drivers would not, in
 * loops that count. What comes between asking and using is up to the caller.
 *
 * @module
 */

import type { GemmShape } from "../gemm/gemm_variant.ts";
import { joined, lines, range } from "../shader/wgsl.ts";
import type { GemvPlan } from "./gemv_plan.ts";

/** Rounds that are written out; more go through a loop. */
const MOST_WRITTEN = 3;

/** What the threads of a workgroup multiply. */
export interface Depth {
  readonly shape: GemmShape;
  readonly plan: GemvPlan;
  /** Variables of `a` and `b`. */
  readonly names: Record<string, string>;
  /** Whether `a` is bound as vectors: of a row, or transposed, of four rows. */
  readonly isVector: boolean;
  /** Whether its rows are in the workgroup's array `rows` instead. */
  readonly isNormed: boolean;
}

/** WGSL statements; `column`, a vector's number, and `slice` are in scope. */
export interface Multiplication {
  /** Asks for what is used first, and for more. */
  readonly ask: (more: Ask) => string;
  /** Makes `sum0` …, by row, of all that the thread has. */
  readonly use: string;
}

/** Variables, and statements that load them. */
export interface Ask {
  readonly declare: string;
  readonly load: string;
}

/** A variable to be loaded. */
interface Load {
  readonly name: string;
  readonly type: string;
  readonly value: string;
}

/** The product of a thread's columns at its part of the depth. */
export function multiply(depth: Depth): Multiplication {
  const { shape: { M, N, transB }, plan } = depth;
  const { width, units, slices, round, rounds, rest } = plan;
  const rows = transB && width === 4
    ? lines(4, (j) => `
  let row${j} = min(4u * column + ${j}u, ${N - 1}u) * ${units}u;`)
    : "";
  const zero = width === 4 ? "vec4<f32>()" : "0.0f";

  // 1. The rest, the very last unit of which is perhaps not there.
  const before = rounds * round;
  const isPartial = units % slices !== 0;
  const last = range(rest).map((i) => {
    const isLast = i === rest - 1;
    return {
      unit: `slice + ${(before + i) * slices}u`,
      isLast,
      mayMiss: isLast && isPartial,
    };
  });

  // 2. The rounds before, all of whose units are there.
  const whole = (base: string) => {
    const some = range(round).map((i) => ({
      unit: `${base} + ${i * slices}u`,
      isLast: false,
      mayMiss: false,
    }));
    return askFor(depth, some) + sumUp(depth, round);
  };
  const step = round * slices;
  const others = rounds > MOST_WRITTEN
    ? `
  for (var base = slice; base < ${rounds * step}u; base += ${step}u) {
    ${whole("base")}
  }`
    : lines(rounds, (r) => `
  {
    ${whole(`slice + ${r * step}u`)}
  }`);
  return {
    ask: (more) =>
      `${rows}
${lines(M, (m) => `  var sum${m} = ${zero};`)}
${askFor(depth, last, more)}`,
    use: sumUp(depth, rest) + others,
  };
}

/** A unit of a round. */
interface Unit {
  /** WGSL of its number. */
  readonly unit: string;
  /** Whether it may be the one that is not whole. */
  readonly isLast: boolean;
  /** Whether it may not be there. */
  readonly mayMiss: boolean;
}

/**
 * Declares what some units need, and loads it. The condition is never false
 * but in the last workgroup: it is a border that compilers do not move loads
 * across, which they else do, to where they are used.
 */
function askFor(
  depth: Depth,
  some: readonly Unit[],
  more: Ask = { declare: "", load: "" },
): string {
  const all = some.map((unit, i) =>
    loads(depth, { ...unit, unit: `unit${i}` })
  );
  const zero = lines(some.length, (i) => `
  let unit${i} = ${some[i].unit};
  ${each(all[i], ({ name, type }) => `var ${name}_${i} = ${type}();`)}`);
  const set = lines(some.length, (i) => {
    const loaded = each(
      all[i],
      ({ name, value }) => `${name}_${i} = ${value};`,
    );
    return some[i].mayMiss
      ? `if (unit${i} < ${depth.plan.units}u) {
    ${loaded}
    }`
      : `    ${loaded}`;
  });
  return `${zero}
  ${more.declare}
  if (isInside) {
${set}
    ${more.load}
  }`;
}

function each(some: readonly Load[], line: (load: Load) => string): string {
  return some.map(line).join("\n    ");
}

/**
 * What a unit needs: of b `w0` … `w3`, by depth, or by column where vectors
 * are transposed; and of a, unless it is in `rows`, `x0` … by row, or `a0` …
 * by depth where vectors are transposed.
 *
 * @param options.isLast Whether it may be the one that is not whole.
 */
function loads(
  { shape: { M, K, transA, transB }, plan, names, isVector, isNormed }: Depth,
  { unit, isLast }: { unit: string; isLast: boolean },
): Load[] {
  const { width, vectors, units } = plan;
  const { a, b } = names;
  const isCut = isLast && K % 4 !== 0;
  const k = (j: number) => `(4u * (${unit}) + ${j}u)`;
  const inside = (j: number) => isCut ? `min(${k(j)}, ${K - 1}u)` : k(j);
  const orZero = (j: number, zero: string, value: string) =>
    isCut ? `select(${zero}, ${value}, ${k(j)} < ${K}u)` : value;
  const ofB = range(4).map((j): Load => ({
    name: `w${j}`,
    type: width === 4 ? "vec4<f32>" : "f32",
    value: !transB
      ? `${b}[${inside(j)} * ${vectors}u + column]`
      : width === 4
      ? `${b}[row${j} + ${unit}]`
      : `${b}[column * ${K}u + ${inside(j)}]`,
  }));
  const ofA = (name: string, value: string): Load => ({
    ...{ name, type: "vec4<f32>", value },
  });
  if (isNormed) return ofB;
  if (isVector) {
    return [
      ...ofB,
      ...transA
        ? range(4).map((j) =>
          ofA(`a${j}`, orZero(j, "vec4<f32>()", `${a}[${inside(j)}]`))
        )
        : range(M).map((m) => ofA(`x${m}`, `${a}[${m * units}u + ${unit}]`)),
    ];
  }
  const one = (m: number, j: number) =>
    orZero(
      j,
      "0.0f",
      transA
        ? `${a}[${inside(j)} * ${M}u + ${m}u]`
        : `${a}[${m * K}u + ${inside(j)}]`,
    );
  return [
    ...ofB,
    ...range(M).map((m) =>
      ofA(`x${m}`, `vec4<f32>(${joined(4, ", ", (j) => one(m, j))})`)
    ),
  ];
}

/** Adds the products of so many units, which have been asked for. */
function sumUp(
  { shape: { M, transA, transB }, plan, isVector, isNormed }: Depth,
  count: number,
): string {
  const { width, units } = plan;
  const row = (m: number, i: number) =>
    isNormed
      ? `rows[${m * units}u + min(unit${i}, ${units - 1}u)]`
      : isVector && transA
      ? `vec4<f32>(${joined(4, ", ", (j) => `a${j}_${i}[${m}]`)})`
      : `x${m}_${i}`;
  const product = (i: number) =>
    transB && width === 4
      ? `vec4<f32>(${joined(4, ", ", (j) => `dot(w${j}_${i}, x)`)})`
      : joined(4, " + ", (j) => `w${j}_${i} * x[${j}]`);
  return lines(count, (i) =>
    lines(M, (m) => `
    {
      let x = ${row(m, i)};
      sum${m} += ${product(i)};
    }`));
}
