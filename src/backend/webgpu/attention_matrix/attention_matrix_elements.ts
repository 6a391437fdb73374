/**
 * From scores to slopes, element by element, between the products of
 * attention's gradient on matrix units.
 *
 * A subgroup has `own`, the number of a pair of words of workgroup memory, from
 * which on lie scores of its keys with some queries, and half of its memory
 * later what the output's gradient asks of them; rows are queries. Both become
 * what the next products take, in the same places. A thread has some vectors of
 * four keys, which are what one block of dropout's random words is for.
 *
 * Formulas: ../kernels/attention_backward.ts.
 *
 * @module
 */

import { dropoutVector } from "../attention/attention_tile.ts";
import { f32, range } from "../shader/wgsl.ts";
import {
  MATRIX_TILE,
  type MatrixGradient,
  ownPairs,
} from "./attention_matrix_part.ts";
import {
  factorStride,
  resultAt,
  resultStride,
} from "./attention_matrix_tile.ts";

/**
 * Statements for the elements of a step, each of which is for what all threads
 * of a subgroup have done before, with a barrier between.
 */
interface Elements {
  /** Declares what is known from one to the next. */
  readonly variables: string;
  /**
   * Before the products: reads what there is of each query. Factors of dropout
   * need no scores, and are computed while units multiply.
   */
  readonly statistics: string;
  /** Probabilities and slopes. */
  readonly compute: string;
  /** Puts them into place, and slopes into memory as well. */
  readonly put: string;
}

/**
 * In scope are `fromQ` and `fromK`, where queries and keys begin, `ownRow`, the
 * subgroup's first of the keys, `isMasked`, whether it sees keys behind its
 * queries or queries behind the end, `heads`, the number of the head's first
 * query among those of all heads, and `slopeTile`, the first vector of these
 * queries and of its keys in slopes.
 *
 * @param names Variables of the tensors; `rng` where there is dropout.
 */
export function matrixElements(
  { shape, tile, scale }: MatrixGradient,
  names: Record<"lse" | "rowDots" | "slopes", string> & { rng?: string },
): Elements {
  const { T, D } = shape, { rows, step, unit } = tile;
  const results = resultStride(rows), factors = factorStride(rows);
  const half = ownPairs(tile) / 2, vectors = rows / 4;
  const count = step * vectors;
  const turns = range(Math.ceil(count / unit.lanes));
  // Rows of four vectors are 96 bytes apart: of eight threads that read at once,
  // half have the row behind the next one, whose banks the first does not use.
  const row = (y: string) =>
    vectors === 4
      ? `(${y} & ${step - 4}u) | ((${y} & 1u) << 1u) | ((${y} >> 1u) & 1u)`
      : y;
  const each = (code: (n: number) => string) =>
    turns.map((n) => {
      const index = `(sublane + ${n * unit.lanes}u)`;
      const guard = (n + 1) * unit.lanes > count
        ? `if (${index} < ${count}u) `
        : "";
      return `
      ${guard}{
        let x = ${index} % ${vectors}u;
        let y = ${row(`(${index} / ${vectors}u)`)};${code(n)}
      }`;
    }).join("");
  const isWhole = T % step === 0;
  const query = "fromQ + y";
  const ofQuery = (array: string) =>
    `${array}[heads + ${isWhole ? query : `min(${query}, ${T - 1}u)`}]`;
  const times = (factor: number) => factor === 1 ? "" : ` * ${f32(factor)}`;
  const dropped = (n: number) => names.rng ? ` * f${n}` : "";
  // exp is exp2 of so much; slopes are scaled with the gradients.
  const toLog2 = f32(Math.LOG2E / Math.sqrt(D));
  return {
    variables: turns.map((n) => `
      var logSum${n} = 0.0f;
      var dots${n} = 0.0f;
      var p${n} = vec4<f32>();
      var ds${n} = vec4<f32>();${
      names.rng
        ? `
      var f${n} = vec4<f32>();`
        : ""
    }`).join(""),
    statistics: each((n) => `
        logSum${n} = ${ofQuery(names.lse)}${times(Math.LOG2E)};
        dots${n} = ${ofQuery(names.rowDots)}${times(scale)};${
      names.rng
        ? `
        f${n} = ${
          dropoutVector(
            { T },
            `(heads + ${query}) * ${T}u + fromK + ownRow + 4u * x`,
          )
        };`
        : ""
    }`),
    compute: each((n) => `
        let query = ${query};
        let key = fromK + ownRow + 4u * x;
        let from = own + y * ${results}u + 2u * x;
        var e = exp2(${resultAt("from")} * ${toLog2} - logSum${n});
        if (isMasked) {
          let keys = vec4<u32>(key) + vec4<u32>(0u, 1u, 2u, 3u);
          e = select(vec4<f32>(), e, keys <= vec4<u32>(query)${
      isWhole ? "" : ` & vec4<bool>(query < ${T}u)`
    });
        }
        p${n} = e${dropped(n)};
        ds${n} = e * (${resultAt(`from + ${half}u`)}${
      dropped(n)
    } - dots${n});`),
    put: each((n) => `
        let to = own + y * ${factors}u + x;
        tiles[to] = packed(p${n});
        tiles[to + ${half}u] = packed(ds${n});
        ${names.slopes}[slopeTile + y * ${MATRIX_TILE / 4}u + x] = ds${n};`),
  };
}
