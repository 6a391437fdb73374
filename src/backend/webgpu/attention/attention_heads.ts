/**
 * Heads in memory: where they lie in packed rows of queries, keys and values,
 * and how a shader reads and writes their vectors.
 *
 * @module
 */

import type { AttentionAttrs } from "../../../graph/ops.ts";
import { lines } from "../shader/wgsl.ts";
import type { AttentionShape } from "./attention_tile.ts";

/** Some heads: row `o` of a tile begins at number `at(o)` of the array. */
export interface Heads {
  readonly array: string;
  readonly at: (o: string) => string;
}

/** Where the heads of a row of qkv begin, and how long a row is. */
export function packed(
  { H, Hkv, D }: Pick<AttentionAttrs, "H" | "Hkv" | "D">,
) {
  return {
    width: (H + 2 * Hkv) * D,
    /** Number in the row of query head `h`. */
    query: (h: string) => `${h} * ${D}u`,
    key: (hkv: string) => `${H * D}u + ${hkv} * ${D}u`,
    value: (hkv: string) => `${(H + Hkv) * D}u + ${hkv} * ${D}u`,
  };
}

/** Keys and values of the tile that begins at row `begin` of a sequence. */
export function keyHeads(
  qkv: string,
  shape: AttentionShape,
  begin: string,
): { keys: Heads; values: Heads } {
  const { width, key, value } = packed(shape);
  const start = (o: string) => `${rowOf(shape, begin, o)} * ${width}u`;
  return {
    keys: { array: qkv, at: (o) => `${start(o)} + ${key("hkv")}` },
    values: { array: qkv, at: (o) => `${start(o)} + ${value("hkv")}` },
  };
}

/** Queries of such a tile. */
export function queryHeads(
  qkv: string,
  shape: AttentionShape,
  begin: string,
): Heads {
  const { width, query } = packed(shape);
  return {
    array: qkv,
    at: (o) => `${rowOf(shape, begin, o)} * ${width}u + ${query("h")}`,
  };
}

/** Gradients of the output of such a tile. */
export function outHeads(
  dOut: string,
  shape: AttentionShape,
  begin: string,
): Heads {
  const { H, D } = shape;
  return {
    array: dOut,
    at: (o) => `(${rowOf(shape, begin, o)} * ${H}u + h) * ${D}u`,
  };
}

/** Row `o` of a tile among all rows; past the end it is the last. */
function rowOf({ T, tile }: AttentionShape, begin: string, o: string): string {
  if (T % tile === 0) return `(first + ${begin} + ${o})`;
  return `(first + min(${begin} + ${o}, ${T - 1}u))`;
}

/**
 * WGSL: `load_<array>(start, d4)`, vector d4 of the head that begins at number
 * `start`, with 0 behind its end.
 */
export function headLoader(
  array: string,
  { D, vector }: { D: number; vector: boolean },
): string {
  if (vector) {
    return `
fn load_${array}(start: u32, d4: u32) -> vec4<f32> {
  return ${array}[start / 4u + d4];
}
`;
  }
  return `
fn load_${array}(start: u32, d4: u32) -> vec4<f32> {
  var v = vec4<f32>();
${
    lines(4, (j) =>
      `  if (4u * d4 + ${j}u < ${D}u) { v[${j}] = ${array}[start + 4u * d4 + ${j}u]; }`)
  }
  return v;
}
`;
}

/** WGSL statement: writes `value` to vector `d4` of the head at `start`. */
export function storeHead(
  array: string,
  { start, d4, value, shape: { D, vector } }: {
    start: string;
    d4: string;
    value: string;
    shape: Pick<AttentionShape, "D" | "vector">;
  },
): string {
  if (vector) return `${array}[(${start}) / 4u + ${d4}] = ${value};`;
  return lines(4, (j) =>
    `if (4u * ${d4} + ${j}u < ${D}u) { ` +
    `${array}[${start} + 4u * ${d4} + ${j}u] = ${value}[${j}]; }`);
}
