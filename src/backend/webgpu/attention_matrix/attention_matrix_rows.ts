/**
 * Rows of scores that a matrix unit has stored in workgroup memory: each is of
 * one or a few threads of the subgroup, which make probabilities of it for the
 * unit to multiply, in its place.
 *
 * A row is `SCORE_ROW` times 16 bytes: scores of `STEP` keys in f32, and then
 * so many probabilities in two bytes, and behind them what the unit multiplies
 * results of the row by, as often as a unit has columns.
 *
 * @module
 */

import { MASKED } from "../attention/attention_tile.ts";
import type { MatrixUnit } from "../device/matrix_unit.ts";
import { f32, joined, lines, range } from "../shader/wgsl.ts";

/** Keys whose scores a subgroup has in workgroup memory at a time. */
export const STEP = 32;
/** Numbers in 16 bytes, which workgroup memory is an array of. */
export const HALVES = 8, FLOATS = 4;
/** Where in a row its factor is for the units. */
export const FACTORS_AT = STEP / HALVES;
/** From one row to the next. */
export const SCORE_ROW = oddRow(STEP / FLOATS);

/** Rows of an odd number of vectors: eight of them begin in other banks. */
export function oddRow(vectors: number): number {
  return vectors + 1 - vectors % 2;
}

/**
 * Rows of a subgroup: half as many as it has threads, or all if a unit has more.
 * On an NVIDIA H200, 16 rows of 32 threads are faster than 32: half as many
 * registers, so that more workgroups run at a time.
 */
export function subgroupRows({ M, lanes }: MatrixUnit): number {
  return lanes / 2 % M === 0 ? lanes / 2 : lanes;
}

/** Whose a row is: the threads that share it, and columns of a unit. */
export interface RowLanes {
  readonly perRow: number;
  readonly N: number;
}

/** Vectors of a row that one thread has. */
function vectorsOf({ perRow }: RowLanes): number[] {
  return range(STEP / FLOATS / perRow);
}

/**
 * WGSL: declares `key`, the first that the thread has of those from `k` on, and
 * what its probabilities are multiplied by, if they are. It needs no scores, so
 * it can be computed while a unit makes them.
 */
export function rowFactors(
  row: RowLanes,
  factor?: (key: string) => string,
): string {
  const key = row.perRow > 1 ? `k + part * ${STEP / row.perRow}u` : "k";
  return [
    `      let key = ${key};`,
    ...factor
      ? vectorsOf(row).map((v) =>
        `      let f${v} = ${factor(`key + ${v * FLOATS}u`)};`
      )
      : [],
  ].join("\n");
}

/**
 * WGSL: makes probabilities of scores, behind {@linkcode rowFactors}. In scope
 * are the row's place `own` in `tiles`, its number `q`, the first key `k`, which
 * `part` of the row is the thread's, `firstRow` of the subgroup, and the row's
 * `top` and the part's `sum` so far.
 *
 * What results shrink by is there only if one of the subgroup's rows `hasGrown`,
 * which is declared: most of a long sequence have not.
 *
 * @param options.scale What scores are multiplied by, for powers of 2.
 * @param options.hasFactors Whether there are any.
 */
export function rowSoftmax(
  row: RowLanes,
  { scale, hasFactors }: { scale: number; hasFactors: boolean },
): string {
  const { perRow } = row;
  const vectors = vectorsOf(row);
  const pairs = vectors.length / 2;
  const each = (line: (v: number) => string) => vectors.map(line).join("\n");
  const isShared = perRow > 1;
  const at = (place: string, count: number) =>
    isShared ? `own + part * ${count}u + ${place}` : `own + ${place}`;
  const shared = doublings(perRow).map((mask) =>
    `      largest = max(largest, subgroupShuffleXor(largest, ${mask}u));`
  ).join("\n");
  return `
${
    each((v) =>
      `      var p${v} = bitcast<vec4<f32>>(tiles[${
        at(`${v}u`, vectors.length)
      }]);`
    )
  }
${
    isShared
      ? "      subgroupBarrier(); // others write where this one read"
      : ""
  }
      if (k + ${STEP - 1}u > firstRow) {
        let keys = vec4<u32>(key) + vec4<u32>(0u, 1u, 2u, 3u);
${
    each((v) =>
      `        p${v} = select(vec4<f32>(${MASKED}), p${v}, keys + vec4<u32>(${
        v * FLOATS
      }u) <= vec4<u32>(q));`
    )
  }
      }
      let most = ${
    vectors.slice(1).reduce((all, v) => `max(${all}, p${v})`, "p0")
  };
      var largest = max(max(most.x, most.y), max(most.z, most.w));
${shared}
      let before = top;
      top = max(top, ${f32(scale)} * largest);
      let shrink = exp2(before - top);
${
    each((v) =>
      `      p${v} = exp2(fma(p${v}, vec4<f32>(${
        f32(scale)
      }), vec4<f32>(-top)));`
    )
  }
      let quads = ${joined(vectors.length, " + ", (v) => `p${v}`)};
      sum = fma(sum, shrink, dot(quads, vec4<f32>(1.0f)));
${hasFactors ? each((v) => `      p${v} *= f${v};`) : ""}
${
    lines(pairs, (v) =>
      `      tiles[${at(`${v}u`, pairs)}] = vec4<u32>(packed(p${
        2 * v
      }), packed(p${2 * v + 1}));`)
  }
      let hasGrown = subgroupAny(shrink < 1.0f);
      if (hasGrown) {
${putFactor(row, "shrink")}
      }`;
}

/** WGSL: what the results of the row are multiplied by. */
export function putFactor({ perRow, N }: RowLanes, value: string): string {
  const count = N / FLOATS / perRow;
  const at = perRow > 1 ? `own + part * ${count}u` : "own";
  return lines(
    count,
    (v) =>
      `      tiles[${at} + ${FACTORS_AT + v}u] = ` +
      `bitcast<vec4<u32>>(vec4<f32>(${value}));`,
  );
}

/** WGSL: makes `sum` that of all threads of the row. */
export function shareSum({ perRow }: RowLanes): string {
  return doublings(perRow).map((mask) =>
    `  sum += subgroupShuffleXor(sum, ${mask}u);`
  ).join("\n");
}

/** 1, 2, 4 … below a power of two. */
function doublings(count: number): number[] {
  return range(Math.log2(count)).map((i) => 2 ** i);
}
