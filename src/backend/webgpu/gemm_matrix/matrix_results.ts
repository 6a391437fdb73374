/**
 * The end of a product on matrix units: the units of results become vectors
 * of neighbours, which are stored as those of all products are.
 *
 * Each subgroup passes its units through workgroup memory of its own, one row
 * of them at a time, so that it waits for no other. What a row of results meets
 * in memory is read while the row before is stored: without, each of some 30
 * vectors of a thread waited for its own reads, 0.7 us on an NVIDIA H200.
 * Memory bound.
 *
 * @module
 */

import type { Read } from "../gemm/gemm_epilogue.ts";
import {
  inputsOf,
  insideOf,
  type Results,
  storeFour,
  storeVector,
} from "../gemm/gemm_store.ts";
import type { MatrixTile } from "../gemm/gemm_variant.ts";
import { f32, range } from "../shader/wgsl.ts";

/**
 * Quads of words that a row of results is longer than needed, so that four
 * rows begin in different banks: as many as are stored at once.
 */
const RESULT_PAD = 2;

/** Quads from one row of a subgroup's results to the next. */
function resultStride({ subgroupN }: MatrixTile): number {
  return subgroupN / 4 + RESULT_PAD;
}

/** Quads that a subgroup needs: one row of units. */
export function resultQuads(tile: MatrixTile): number {
  return tile.unit.M * resultStride(tile);
}

/** WGSL: the four numbers of f32 of a quad. */
export function resultAt(at: string): string {
  return `bitcast<vec4<f32>>(tiles[${at}])`;
}

/** Of the vectors of a thread in a row of units one, in WGSL. */
interface Vector {
  readonly turn: number;
  /** Row of the unit, and column of the subgroup's block. */
  readonly row: string;
  readonly column: string;
  /** Where it is in `tiles`. */
  readonly from: string;
  /** Where it is in the results, behind `firstAt`: vectors. */
  readonly offset: string;
  /** Whether the thread has one; empty if all have. */
  readonly isThere: string;
}

/**
 * WGSL that stores all units, called `c0_0` and so on.
 *
 * @param options.scale What sums are multiplied by.
 */
export function storeUnits(
  results: Results,
  { variant, scale }: { variant: MatrixTile; scale: number },
): string {
  if (scale === 1 && areStoredAlone(results)) {
    return storeAlone(results, variant);
  }
  const { subgroupM, unit } = variant;
  const { shape: { N }, base, bias, ending } = results;
  const isWhole = N % 4 === 0;
  const { declarations, vectors, oneColumn } = vectorsOf(variant, N);
  const inputs = isWhole ? inputsOf(results) : [];
  const settings = ending?.settings ?? [];
  const columnBias = bias !== undefined && isWhole && oneColumn;
  const down = subgroupM / unit.M;
  const times = scale === 1 ? "" : ` * ${f32(scale)}`;
  const store = (vector: Vector) => `
    ${
    isWhole
      ? storeWhole(vector, { results, columnBias })
      : storeEach(vector, results)
  }`;
  return `${declarations}
  let firstFrom = subgroup * ${resultQuads(variant)}u;
  let firstColumn = fromN + blockN;
  var firstRow = fromM + blockM;${
    isWhole
      ? `
  var firstAt = (${base}firstRow * ${N}u + firstColumn) / 4u;`
      : ""
  }${
    settings.map((value, i) => `
  let ${settingName(i)} = ${value};`).join("")
  }${
    columnBias
      ? `
  let columnBias = ${biasAt(results, vectors[0].column)};`
      : ""
  }${
    vectors.map((vector) =>
      inputs.map(({ type }, i) => `
  var ${inputName(vector.turn, i)} = ${type}();`).join("") +
      ask(vector, { results, inputs, further: 0 })
    ).join("")
  }
  for (var unitRow = 0u; unitRow < ${down}u; unitRow += 1u) {
    ${putUnits(variant)}
    subgroupBarrier();${
    vectors.map(({ turn, from }) => `
    let result${turn} = ${resultAt(`firstFrom + ${from}`)}${times};`).join("")
  }
    subgroupBarrier();${
    vectors.map((vector) =>
      store(vector) + (inputs.length === 0 ? "" : `
    if (unitRow < ${down - 1}u) {${
        ask(vector, { results, inputs, further: unit.M })
      }
    }`)
    ).join("")
  }
    firstRow += ${unit.M}u;${
    isWhole
      ? `
    firstAt += ${unit.M * N / 4}u;`
      : ""
  }
  }`;
}

/** WGSL: the variable of what a vector meets. */
const inputName = (turn: number, i: number) => `input${turn}_${i}`;
/** WGSL: the variable of what is the same for all. */
const settingName = (i: number) => `setting${i}`;

/** WGSL: the units of row `unitRow` go to workgroup memory. */
function putUnits(variant: MatrixTile): string {
  const { subgroupM, subgroupN, unit } = variant;
  const stride = resultStride(variant);
  return range(subgroupM / unit.M).map((i) =>
    `if (unitRow == ${i}u) {${
      range(subgroupN / unit.N).map((j) => `
      coopStore(c${i}_${j}, &tiles[firstFrom + ${
        j * unit.N / 4
      }u], ${stride}u);`).join("")
    }
    }`
  ).join(" else ");
}

/** WGSL: whether a vector, so many rows further on, is one of the results. */
function isInside(
  { row, column, isThere }: Vector,
  { results, further }: { results: Results; further: number },
): string {
  const place = {
    row: `firstRow + ${row}${further === 0 ? "" : ` + ${further}u`}`,
    column: `firstColumn + ${column}`,
  };
  return [isThere, insideOf(results, place)].filter(Boolean).join(" && ");
}

/**
 * WGSL that reads what a vector meets so many rows further on: but where it is
 * none, as what is there instead may be another thread's, and written meanwhile.
 */
function ask(
  vector: Vector,
  { results, inputs, further }: {
    results: Results;
    inputs: readonly Read[];
    further: number;
  },
): string {
  const { turn, offset } = vector;
  const more = further === 0 ? "" : ` + ${further * results.shape.N / 4}u`;
  const inside = isInside(vector, { results, further });
  const reads = inputs.map(({ read }, i) => `
      ${inputName(turn, i)} = ${read(`firstAt + ${offset}${more}`)};`).join("");
  return inside && reads
    ? `
      if (${inside}) {${reads}
      }`
    : reads;
}

/** WGSL: what is added to four columns. */
function biasAt(
  { bias, guardColumn, shape: { N } }: Results,
  column: string,
): string {
  const at = `(firstColumn + ${column}) / 4u`;
  return `${bias}[${
    guardColumn ? `min(${at}, ${Math.ceil(N / 4) - 1}u)` : at
  }]`;
}

/** WGSL that stores a vector, where rows are whole vectors. */
function storeWhole(
  vector: Vector,
  { results, columnBias }: {
    results: Results;
    /** Whether the variable of that name is what is added. */
    columnBias: boolean;
  },
): string {
  const { turn, column, offset } = vector;
  const inside = isInside(vector, { results, further: 0 });
  const bias = results.bias === undefined
    ? undefined
    : columnBias
    ? "columnBias"
    : biasAt(results, column);
  const stored = storeVector(`result${turn}`, {
    ...{ results, at: "at", bias },
    given: {
      inputs: inputsOf(results).map((_, i) => inputName(turn, i)),
      settings: (results.ending?.settings ?? []).map((_, i) => settingName(i)),
    },
  });
  return `${inside ? `if (${inside}) ` : ""}{
      let at = firstAt + ${offset};
      ${stored}
    }`;
}

/** WGSL that stores a vector number by number. */
function storeEach(
  { turn, row, column, isThere }: Vector,
  results: Results,
): string {
  const place = { row: `firstRow + ${row}`, column: `firstColumn + ${column}` };
  return `${isThere ? `if (${isThere}) ` : ""}${
    storeFour(`result${turn}`, place, results)
  }`;
}

/** Whether units are the results, as they are, and all are inside. */
function areStoredAlone(results: Results): boolean {
  const { shape: { N }, dtype, bias, addTo, ending } = results;
  const { guardRow, guardColumn } = results;
  return N % 4 === 0 && dtype === "f32" && !bias && !addTo && !ending &&
    !guardRow && !guardColumn;
}

/** Stores them without a way through workgroup memory, as parts of k are. */
function storeAlone(
  { shape: { N }, base, out }: Results,
  { subgroupM, subgroupN, unit }: MatrixTile,
): string {
  const across = range(subgroupN / unit.N);
  return `
  let firstAt = (${base}(fromM + blockM) * ${N}u + fromN + blockN) / 4u;${
    range(subgroupM / unit.M).flatMap((i) =>
      across.map((j) => `
  coopStore(c${i}_${j}, &${out}[firstAt + ${
        (i * unit.M * N + j * unit.N) / 4
      }u], ${N / 4}u);`)
    ).join("")
  }`;
}

/** Shares the vectors of a row of units out among the threads of a subgroup. */
function vectorsOf(
  variant: MatrixTile,
  N: number,
): {
  declarations: string;
  vectors: readonly Vector[];
  /** Whether all of a thread are of the same columns. */
  oneColumn: boolean;
} {
  const { subgroupN, unit: { M, lanes } } = variant;
  const across = subgroupN / 4, count = M * across;
  const stride = resultStride(variant);
  const turns = range(Math.ceil(count / lanes));
  const isThere = (turn: number) =>
    (turn + 1) * lanes <= count ? "" : `sublane + ${turn * lanes}u < ${count}u`;
  const oneColumn = lanes % across === 0;
  if (oneColumn) {
    const rows = lanes / across; // from one vector of a thread to the next
    const line = `sublane / ${across}u`;
    return {
      oneColumn,
      declarations: `
  let unitLine = ${rows > M ? `min(${line}, ${M - 1}u)` : line};
  let unitVector = sublane % ${across}u;
  let vectorFrom = unitLine * ${stride}u + unitVector;${
        N % 4 === 0
          ? `
  let vectorAt = unitLine * ${N / 4}u + unitVector;`
          : ""
      }`,
      vectors: turns.map((turn) => ({
        turn,
        row: `unitLine + ${turn * rows}u`,
        column: "4u * unitVector",
        from: `vectorFrom + ${turn * rows * stride}u`,
        offset: `vectorAt + ${turn * rows * N / 4}u`,
        isThere: isThere(turn),
      })),
    };
  }
  return {
    oneColumn,
    declarations: turns.map((turn) => {
      const index = `sublane + ${turn * lanes}u`;
      // Those without one read another's.
      const inside = isThere(turn) ? `min(${index}, ${count - 1}u)` : index;
      return `
  let unitLine${turn} = (${inside}) / ${across}u;
  let unitVector${turn} = (${inside}) % ${across}u;`;
    }).join(""),
    vectors: turns.map((turn) => ({
      turn,
      row: `unitLine${turn}`,
      column: `4u * unitVector${turn}`,
      from: `unitLine${turn} * ${stride}u + unitVector${turn}`,
      offset: `unitLine${turn} * ${N / 4}u + unitVector${turn}`,
      isThere: isThere(turn),
    })),
  };
}
