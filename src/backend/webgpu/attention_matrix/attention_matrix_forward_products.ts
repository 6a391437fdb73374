/**
 * The products of attention forward on matrix units, of a step of keys: queries
 * with keys, which gives scores, and probabilities with values.
 *
 * @module
 */

import type { AttentionAttrs } from "../../../graph/ops.ts";
import {
  dropoutVector,
  type MatrixAttention,
} from "../attention/attention_tile.ts";
import { matrixType } from "../shader/matrix.ts";
import { range } from "../shader/wgsl.ts";
import {
  FACTORS_AT,
  FLOATS,
  HALVES,
  rowFactors,
  SCORE_ROW,
  STEP,
} from "./attention_matrix_rows.ts";

/** How attention is cut into workgroups, subgroups and units. */
export interface AttentionCut {
  readonly attrs: AttentionAttrs;
  readonly choice: MatrixAttention;
  /** Variables of the tensors; no `rng` is without dropout. */
  readonly names: Record<"qkv" | "out" | "lse" | "rng", string>;
  /** Tiles of queries. */
  readonly tiles: number;
  /** Queries of a subgroup, and threads that share one. */
  readonly rows: number;
  readonly perRow: number;
  /** Threads of a workgroup. */
  readonly threads: number;
  /** Quads from one row of keys to the next, in workgroup memory. */
  readonly row: number;
  /** Units of a subgroup's rows, and of a head's columns. */
  readonly down: readonly number[];
  readonly across: readonly number[];
}

/** Quads of workgroup memory before the values, and before the scores. */
export const firstValue = ({ choice, row }: AttentionCut) => choice.keys * row;
export const firstScore = ({ choice, row }: AttentionCut) =>
  2 * choice.keys * row;

/** WGSL: the type of a unit of factors or sums. */
export const typeOf = ({ choice }: AttentionCut, use: "A" | "B" | "C") =>
  matrixType(choice.unit, use);

/** How many threads have a row, and columns of a unit. */
export const cutRows = ({ perRow, choice: { unit: { N } } }: AttentionCut) => ({
  perRow,
  N,
});

/** Lines for the units of results. */
export function eachUnit(
  { down, across }: AttentionCut,
  line: (i: number, j: number) => string,
): string {
  return down.flatMap((i) => across.map((j) => line(i, j))).join("\n");
}

/** WGSL: where the scores of the subgroup's unit `i` begin. */
export function scoresOf(
  { choice: { unit } }: AttentionCut,
  i: number,
  vector: number,
): string {
  return `&tiles[scores + ${i * unit.M * SCORE_ROW}u + ${vector}u]`;
}

/** WGSL: loads what each row is multiplied by. */
export function loadFactors(cut: AttentionCut, name: string): string {
  return cut.down.map((i) =>
    `let ${name}${i} = coopLoad<${typeOf(cut, "C")}>(${
      scoresOf(cut, i, FACTORS_AT)
    }, ${SCORE_ROW}u);`
  ).join("\n");
}

/** WGSL: scores of a step's keys, stored for their rows. */
export function makeScores(cut: AttentionCut): string {
  const { attrs, choice: { unit: { N, K } }, names, row, down } = cut;
  const { T, D } = attrs;
  const eachScore = (line: (i: number, j: number) => string) =>
    down.flatMap((i) => range(STEP / N).map((j) => line(i, j))).join("\n");
  const factor = names.rng
    ? (key: string) =>
      dropoutVector(attrs, `(work * ${T}u + q) * ${T}u + ${key}`)
    : undefined;
  return `${
    eachScore((i, j) => `      var s${i}_${j} = ${typeOf(cut, "C")}();`)
  }
${
    range(D / K).map((d) =>
      `      {
${
        range(STEP / N).map((j) =>
          `        let keys${j} = coopLoadT<${
            typeOf(cut, "B")
          }>(&tiles[(step + ${j * N}u) * ${row}u + ${
            d * K / HALVES
          }u], ${row}u);`
        ).join("\n")
      }
${
        eachScore((i, j) =>
          `        s${i}_${j} = coopMultiplyAdd(q${i}_${d}, keys${j}, s${i}_${j});`
        )
      }
      }`
    ).join("\n")
  }
${rowFactors(cutRows(cut), factor)}
${
    eachScore((i, j) =>
      `      coopStore(s${i}_${j}, ${
        scoresOf(cut, i, j * N / FLOATS)
      }, ${SCORE_ROW}u);`
    )
  }`;
}

/** WGSL: adds the products of probabilities with a step's values. */
export function addValues(cut: AttentionCut): string {
  const { choice: { unit: { N, K } }, row, down, across } = cut;
  return range(STEP / K).map((d) =>
    `      {
${
      down.map((i) =>
        `        let probs${i} = coopLoad<${typeOf(cut, "A")}>(${
          scoresOf(cut, i, d * K / HALVES)
        }, ${SCORE_ROW}u);`
      ).join("\n")
    }
${
      across.map((j) =>
        `        let values${j} = coopLoad<${typeOf(cut, "B")}>(&tiles[${
          firstValue(cut)
        }u + (step + ${d * K}u) * ${row}u + ${j * N / HALVES}u], ${row}u);
${
          down.map((i) =>
            `        o${i}_${j} = coopMultiplyAdd(probs${i}, values${j}, o${i}_${j});`
          ).join("\n")
        }`
      ).join("\n")
    }
      }`
  ).join("\n");
}
