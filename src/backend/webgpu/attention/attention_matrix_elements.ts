/**
 * From scores to slopes, element by element, between the products of
 * attention's gradient on matrix units.
 *
 * A subgroup has `own`, the number of a pair of words of workgroup memory, from
 * which on lie its scores, and half of its memory later what the output's
 * gradient asks of them; rows are keys. Both become what the next products
 * take, in the same places. A thread has squares of 4 x 4.
 *
 * Formulas: ../kernels/attention_backward.ts.
 *
 * @module
 */

import { f32, range } from "../wgsl.ts";
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
import { dropoutTile } from "./attention_tile.ts";

/**
 * Statements for the elements of a step, each of which is for what all threads
 * of a subgroup have done before, with a barrier between.
 */
interface Elements {
  /** Declares what is known from one to the next. */
  readonly variables: string;
  /** Before the products: reads what there is of each query. */
  readonly statistics: string;
  /** Probabilities and slopes. */
  readonly compute: string;
  /** Puts them into place, and slopes into memory as well. */
  readonly put: string;
}

/**
 * In scope are `fromQ` and `fromK`, where queries and keys begin, `ownRow`, the
 * subgroup's first of them, `isMasked`, whether it sees keys behind its queries
 * or behind the end, `heads`, the number of the head's first query among those
 * of all heads, and `slopeTile`, the first vector of these queries in slopes.
 *
 * @param names Variables of the tensors; `rng` where there is dropout.
 */
export function matrixElements(
  { shape, tile, scale }: MatrixGradient,
  names: Record<"lse" | "rowDots" | "slopes", string> & { rng?: string },
): Elements {
  const { T, D } = shape, { rows, step, unit } = tile;
  const results = resultStride(step), factors = factorStride(step);
  const half = ownPairs(tile) / 2, count = rows * step / 16;
  const squares = range(Math.ceil(count / unit.lanes));
  const four = (line: (r: number) => string) => range(4).map(line).join("");
  const each = (code: (n: number) => string) =>
    squares.map((n) => {
      const square = `(sublane + ${n * unit.lanes}u)`;
      const guard = (n + 1) * unit.lanes > count
        ? `if (${square} < ${count}u) `
        : "";
      return `
      ${guard}{
        let x = ${square} % ${step / 4}u;
        let y = ${square} / ${step / 4}u;${code(n)}
      }`;
    }).join("");
  const isWhole = T % step === 0;
  const ofQueries = (array: string) =>
    hasWideQueries(shape)
      ? `${array}[(heads + ${
        isWhole ? "query" : `min(query, ${T - 4}u)`
      }) / 4u]`
      : `vec4<f32>(${
        range(4).map((c) => `${array}[heads + min(query + ${c}u, ${T - 1}u)]`)
          .join(", ")
      })`;
  const times = (factor: number) => factor === 1 ? "" : ` * ${f32(factor)}`;
  const dropped = (r: number) => names.rng ? ` * f${r}` : "";
  // exp is exp2 of so much; slopes are scaled with the gradients.
  const toLog2 = f32(Math.LOG2E / Math.sqrt(D));
  return {
    variables: squares.map((n) => `
    var logSum${n} = vec4<f32>();
    var dots${n} = vec4<f32>();${
      four((r) => `
    var p${n}_${r} = vec4<f32>();
    var ds${n}_${r} = vec4<f32>();`)
    }`).join(""),
    statistics: each((n) => `
        let query = fromQ + 4u * x;
        logSum${n} = ${ofQueries(names.lse)}${times(Math.LOG2E)};
        dots${n} = ${ofQueries(names.rowDots)}${times(scale)};`),
    compute: each((n) => `
        let query = fromQ + 4u * x;
        let key = fromK + ownRow + 4u * y;
        let from = own + 4u * y * ${results}u + 2u * x;${
      four((r) => `
        var e${r} = exp2(${
        resultAt(`from + ${r * results}u`)
      } * ${toLog2} - logSum${n});`)
    }
        if (isMasked) {
          let queries = vec4<u32>(query) + vec4<u32>(0u, 1u, 2u, 3u);${
      four((r) => `
          e${r} = select(vec4<f32>(), e${r}, queries >= vec4<u32>(key + ${r}u)${
        isWhole ? "" : ` & queries < vec4<u32>(${T}u)`
      });`)
    }
        }
${
      names.rng
        ? dropoutTile({ T, quads: 1 }, {
          first: `(heads + query) * ${T}u + key`,
          neighbours: "rows",
        })
        : ""
    }${
      four((r) => `
        p${n}_${r} = e${r}${dropped(r)};
        ds${n}_${r} = e${r} * (${resultAt(`from + ${half + r * results}u`)}${
        dropped(r)
      } - dots${n});`)
    }`),
    put: each((n) => `
        let to = own + 4u * y * ${factors}u + x;
        let slope = slopeTile + (ownRow + 4u * y) * ${MATRIX_TILE / 4}u + x;${
      four((r) => `
        tiles[to + ${r * factors}u] = packed(p${n}_${r});
        tiles[to + ${half + r * factors}u] = packed(ds${n}_${r});
        ${names.slopes}[slope + ${r * MATRIX_TILE / 4}u] = ds${n}_${r};`)
    }`),
  };
}

/** Whether what there is of each query is read four at a time. */
export function hasWideQueries({ T }: { T: number }): boolean {
  return T % 4 === 0;
}
