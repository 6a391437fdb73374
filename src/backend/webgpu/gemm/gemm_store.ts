/**
 * How a tiled product stores its results, and sums of columns: four neighbours
 * of a row at a time, with what is added to them and what they go through.
 *
 * @module
 */

import type { StoredType } from "../dispatch.ts";
import type { StoredVectors } from "../shader/two_byte_access.ts";
import { range } from "../shader/wgsl.ts";
import { type EpilogueCode, finishAt, type Read } from "./gemm_epilogue.ts";
import type { GemmShape } from "./gemm_variant.ts";

/** Where results go, and what they meet on the way: names are variables. */
export interface Results {
  readonly shape: GemmShape;
  /** WGSL: what the numbers of this part of k begin behind. */
  readonly base: string;
  readonly out: string;
  readonly dtype: StoredType;
  readonly bias?: string;
  readonly addTo?: StoredVectors;
  /** Takes the results in place of `out`. */
  readonly ending?: EpilogueCode;
  /** Whether rows or columns of a tile may be beyond the end. */
  readonly guardRow: boolean;
  readonly guardColumn: boolean;
}

/** Where sums over the rows of `b` go. */
export interface Summing {
  readonly N: number;
  readonly out: string;
  /** What their numbers begin behind. */
  readonly base: string;
  /** What they are added to. */
  readonly before?: string;
}

/** Of four results, WGSL of the first one's place. */
export interface Place {
  readonly row: string;
  readonly column: string;
}

/** WGSL: stores `sum`, of four columns from `column` on. */
export function storeSum(
  sum: string,
  { N, out, base, before }: Summing,
): string {
  return `if (column < ${N}u) {
      let at = (${base}column) / 4u;
      ${out}[at] = ${before ? `${before}[at] + ` : ""}${sum};
    }`;
}

/** WGSL: stores four neighbours of a row. */
export function storeFour(
  value: string,
  { row, column }: Place,
  results: Results,
): string {
  const { shape: { N }, base, out, bias, addTo } = results;
  const inside = insideOf(results, { row: "row", column: "column" });
  const body = N % 4 === 0
    ? `let at = (${base}row * ${N}u + column) / 4u;
      ${
      storeVector(value, {
        ...{ results, at: "at" },
        bias: bias && `${bias}[column / 4u]`,
      })
    }`
    : range(4).map((j) => {
      const plus = (bias ? ` + ${bias}[column + ${j}u]` : "") +
        (addTo ? ` + ${addTo.read("at")}` : "");
      return `
      if (column + ${j}u < ${N}u) {
        let at = ${base}row * ${N}u + column + ${j}u;
        ${out}[at] = ${value}.${"xyzw"[j]}${plus};
      }`;
    }).join("");
  return `{
    let row = ${row};
    let column = ${column};
    ${inside ? `if (${inside}) ` : ""}{
      ${body}
    }
  }`;
}

/** WGSL: whether a place is inside of the result; empty if all are. */
export function insideOf(
  { shape: { M, N }, guardRow, guardColumn }: Results,
  { row, column }: Place,
): string {
  return [
    ...guardRow ? [`${row} < ${M}u`] : [],
    ...guardColumn ? [`${column} < ${N}u`] : [],
  ].join(" && ");
}

/** All that is read for one vector alone, but for the bias. */
export function inputsOf({ addTo, ending }: Results): readonly Read[] {
  return [...addTo ? [addTo] : [], ...ending?.inputs ?? []];
}

/**
 * WGSL: stores vector `at`, where N is a multiple of 4.
 *
 * @param value The sum.
 * @param options.bias That of its columns.
 * @param options.given Variables of what was read before: as
 * {@linkcode inputsOf}, and the settings of the ending.
 */
export function storeVector(
  value: string,
  { results: { out, addTo, ending }, at, bias, given }: {
    results: Results;
    at: string;
    bias?: string;
    given?: { inputs: readonly string[]; settings: readonly string[] };
  },
): string {
  const before = addTo && (given?.inputs[0] ?? addTo.read(at));
  return `let v = ${value}${bias ? ` + ${bias}` : ""}${
    addTo && before ? ` + ${addTo.numbers(before)}` : ""
  };
      ${
    ending
      ? finishAt(
        ending,
        { at, v: "v" },
        given && { ...given, inputs: given.inputs.slice(addTo ? 1 : 0) },
      )
      : `${out}[${at}] = v;`
  }`;
}
