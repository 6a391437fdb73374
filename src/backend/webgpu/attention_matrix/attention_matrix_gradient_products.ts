/**
 * The four products of a step of attention's gradient on matrix units: those
 * that give scores, and what the output's gradient asks of them, and those that
 * add up the gradients of keys and values.
 *
 * @module
 */

import { matrixType } from "../shader/matrix.ts";
import { range } from "../shader/wgsl.ts";
import type { MatrixGradient } from "./attention_matrix_part.ts";
import { factorStride, resultStride } from "./attention_matrix_tile.ts";

/** Types of the unit, distances in workgroup memory, and what is repeated. */
function partsOf({ shape: { D }, tile: { rows, step, unit } }: MatrixGradient) {
  const all = (count: number, line: (i: number) => string) =>
    range(count).map(line).join("");
  return {
    ...{ step, unit, all },
    left: matrixType(unit, "A"),
    right: matrixType(unit, "B"),
    sum: matrixType(unit, "C"),
    stride: factorStride(D),
    /** Of its own memory, with results and with factors in it. */
    results: resultStride(rows),
    factors: factorStride(rows),
    deep: (line: (i: number) => string) => all(D / unit.K, line),
    down: (line: (i: number) => string) => all(rows / unit.M, line),
    across: (line: (i: number) => string) => all(D / unit.N, line),
    /** Its keys as columns. */
    ofKeys: (line: (j: number) => string) => all(rows / unit.N, line),
  };
}

/**
 * WGSL by which a subgroup multiplies: rows of `tiles` that begin at a pair of
 * words, and its own memory, which begins at `own`.
 */
export function gradientProducts(gradient: MatrixGradient) {
  const { unit, right, sum, stride, deep, down, across, ofKeys } = partsOf(
    gradient,
  );
  return {
    /** Its rows of the tile that begins at pair `from`, turned. */
    keys: (name: string, from: number) =>
      ofKeys((j) =>
        deep((d) => `
  let ${name}${j}_${d} = coopLoadT<${right}>(&tiles[${
          from + j * unit.N * stride + d * unit.K / 4
        }u + ownRow * ${stride}u], ${stride}u);`)
      ),
    sums: (name: string) =>
      down((i) =>
        across((n) => `
  var ${name}${i}_${n} = ${sum}();`)
      ),
    rowProducts: (kinds: readonly RowProduct[]) => rowProducts(gradient, kinds),
    addProducts: (sums: string, places: { from: number; columns: string }) =>
      addProducts(gradient, { sums, ...places }),
  };
}

/** Products of rows of queries, which begin at `rows`, with keys of a name. */
interface RowProduct {
  readonly name: string;
  readonly rows: string;
  /** Where in its own memory they go. */
  readonly to: number;
}

/**
 * Products of rows of queries with its own, to its own memory: all of them
 * before any is stored, as what is read behind that waits for it.
 */
function rowProducts(
  gradient: MatrixGradient,
  kinds: readonly RowProduct[],
): string {
  const { step, unit, left, sum, stride, results, all, deep, ofKeys } = partsOf(
    gradient,
  );
  const each = (
    line: (kind: RowProduct, at: { i: number; j: number }) => string,
  ) =>
    all(
      step / unit.M,
      (i) => ofKeys((j) => kinds.map((kind) => line(kind, { i, j })).join("")),
    );
  const sumOf = (name: string, { i, j }: { i: number; j: number }) =>
    `${name}Sum${i}_${j}`;
  return `
      {${
    each(({ name }, at) => `
        var ${sumOf(name, at)} = ${sum}();`)
  }${
    deep((d) => `
        {${
      all(step / unit.M, (i) =>
        kinds.map(({ name, rows }) => `
        let ${name}Row${i} = coopLoad<${left}>(&tiles[${rows} + ${
          i * unit.M * stride + d * unit.K / 4
        }u], ${stride}u);${
          ofKeys((j) => `
        ${
            sumOf(name, { i, j })
          } = coopMultiplyAdd(${name}Row${i}, ${name}${j}_${d}, ${
            sumOf(name, { i, j })
          });`)
        }`).join(""))
    }
        }`)
  }${
    each(({ name, to }, { i, j }) => `
        coopStore(${sumOf(name, { i, j })}, &tiles[own + ${
      to + i * unit.M * results + j * unit.N / 2
    }u], ${results}u);`)
  }
      }`;
}

/** Adds products of its own memory, turned, with columns of queries. */
function addProducts(
  gradient: MatrixGradient,
  { sums, from, columns }: { sums: string; from: number; columns: string },
): string {
  const { step, unit, left, right, stride, factors, all, down, across } =
    partsOf(gradient);
  return all(step / unit.K, (depth) => `
      {${
    down((i) => `
        let row${i} = coopLoadT<${left}>(&tiles[own + ${
      from + depth * unit.K * factors + i * unit.M / 4
    }u], ${factors}u);`)
  }${
    across((n) => `
        let column${n} = coopLoad<${right}>(&tiles[${columns} + ${
      depth * unit.K * stride + n * unit.N / 4
    }u], ${stride}u);${
      down((i) => `
        ${sums}${i}_${n} = coopMultiplyAdd(row${i}, column${n}, ${sums}${i}_${n});`)
    }`)
  }
      }`);
}
