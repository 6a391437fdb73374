/**
 * Rotary positions in WGSL, for a kernel of their own and for products.
 *
 * @module
 */

import type { Ops } from "../../../graph/ops.ts";
import type { GpuTensor } from "../dispatch.ts";
import type { KernelContext } from "../kernel.ts";

/** How pairs of columns are rotated. */
export interface Rotation {
  /** Pairs that are handled at a time. */
  readonly step: 1 | 4;
  /** Vectors of so many from an element of a pair to the other. */
  readonly half: number;
  /** See {@linkcode turnsTable}; as vectors. */
  readonly table: GpuTensor;
  /** WGSL in front of the entry; declares `alias V`. */
  readonly functions: string;
  /**
   * WGSL statements that make `sine` and `cosine` of pair `turn` of a head, at
   * `position`, an f32.
   */
  readonly angle: (table: string) => string;
  /** WGSL of what becomes of `a` and `b`. */
  readonly first: string;
  readonly second: string;
}

/** The rotation of a call. */
export function rotationOf(
  { width, D, theta, inverse }: Ops<unknown>["rope"]["attrs"],
  context: KernelContext,
): Rotation {
  // Four pairs at a time, unless four columns may be of two halves.
  const wide = D % 8 === 0 && width % 4 === 0, step = wide ? 4 : 1;
  return {
    step,
    half: D / 2 / step,
    table: context.table(turnsTable({ D, theta, step })),
    functions: sinCos(wide),
    angle: (table) => `
  let coarse = position * ${table}[3u * turn];
  let middle = position * ${table}[3u * turn + 1u];
  let fine = position * ${table}[3u * turn + 2u];
  let angle = sinCos(fract(coarse) + fract(middle) + fine);
  let sine = ${inverse ? "-" : ""}angle.sine;
  let cosine = angle.cosine;`,
    first: "a * cosine - b * sine",
    second: "b * cosine + a * sine",
  };
}

/**
 * How many turns a position adds at each pair, in three parts: the first of 8
 * bits and the second of 12, so that products with a position are exact and
 * their whole turns can be dropped without loss. A plain product of f32 would
 * be off by 6e-8 of all turns so far.
 *
 * @param options.step Pairs of one thread: so many first parts, as many second
 * ones, as many third ones, and so on.
 */
function turnsTable(
  { D, theta, step }: { D: number; theta: number; step: number },
): Float32Array<ArrayBuffer> {
  const table = new Float32Array(3 * D / 2);
  for (let i = 0; i < D / 2; i++) {
    const turns = theta ** (-2 * i / D) / (2 * Math.PI);
    const first = roundToBits(turns, 8);
    const second = roundToBits(turns - first, 12);
    const at = 3 * (i - i % step) + i % step;
    table[at] = first;
    table[at + step] = second;
    table[at + 2 * step] = turns - first - second;
  }
  return table;
}

function roundToBits(value: number, bits: number): number {
  if (value === 0) return 0;
  const unit = 2 ** (Math.floor(Math.log2(Math.abs(value))) + 1 - bits);
  return Math.round(value / unit) * unit;
}

/**
 * `sinCos(turns)`, of one number or four: WGSL allows sin and cos errors of
 * 2^-11. Coefficients: Cephes, sinf.c, for angles of at most pi / 4.
 */
function sinCos(wide: boolean): string {
  return `
alias V = ${wide ? "vec4<f32>" : "f32"};
alias I = ${wide ? "vec4<i32>" : "i32"};
struct SinCos { sine: V, cosine: V }

fn sinCos(turns: V) -> SinCos {
  let quarter = round(4.0f * turns);
  let x = (turns - 0.25f * quarter) * 6.283185307179586f;
  let xx = x * x;
  let s = x + x * xx * (-1.6666654611e-1f + xx * (8.3321608736e-3f +
    xx * -1.9515295891e-4f));
  let c = 1.0f - 0.5f * xx + xx * xx * (4.166664568298827e-2f +
    xx * (-1.388731625493765e-3f + xx * 2.443315711809948e-5f));
  let q = I(quarter) & I(3);
  let isOdd = (q & I(1)) == I(1);
  let sine = select(s, c, isOdd);
  let cosine = select(c, s, isOdd);
  return SinCos(
    select(sine, -sine, q >= I(2)),
    select(cosine, -cosine, ((q + I(1)) & I(2)) == I(2)),
  );
}
`;
}
