/**
 * Attention forward on matrix units ("tensor cores"): softmax over keys as they
 * come (Dao et al. 2022, https://arxiv.org/abs/2205.14135), for a tile of
 * queries, of which each subgroup has some rows.
 *
 * Queries, keys and values are multiplied in two bytes a number, as they are
 * stored; so are probabilities, which are rounded to that; sums are f32. Which
 * thread holds what of a unit is the driver's affair. So scores go through
 * workgroup memory, where a row is one thread's, or two threads'; see
 * attention_matrix_rows.ts. What results shrink by where a larger score comes
 * gets to the units as a matrix whose columns are all alike. Only the subgroup
 * itself reads what it writes there, so that workgroups wait for keys and
 * values alone.
 *
 * Counted for units of 16 on 32 lanes and heads of 64, of 64 queries and 64
 * keys: 16 KB of workgroup memory are written for keys and values and 64 KB
 * read; 32 KB are written and read for scores, 16 KB for probabilities, for 1
 * MFLOP.
 *
 * Formulas: ../kernels/attention.ts. Powers are of 2, and what they are taken
 * of is scaled by log2(e).
 *
 * @module
 */

import type { AttentionAttrs } from "../../../graph/ops.ts";
import { packed } from "../attention/attention_heads.ts";
import {
  attentionFlops,
  MASKED,
  type MatrixAttention,
} from "../attention/attention_tile.ts";
import {
  bind,
  type Dispatch,
  type GpuTensor,
  groupIndex,
  groups,
} from "../dispatch.ts";
import type { KernelContext } from "../kernel.ts";
import { matrixEnables } from "../shader/matrix.ts";
import { dropoutFunctions } from "../shader/philox.ts";
import { packing } from "../shader/two_byte_access.ts";
import { entry, f32, range } from "../shader/wgsl.ts";
import {
  type CopiedRows,
  type RowCopy,
  rowCopy,
} from "./attention_matrix_copy.ts";
import {
  addValues,
  type AttentionCut,
  cutRows,
  eachUnit,
  firstScore,
  firstValue,
  loadFactors,
  makeScores,
  scoresOf,
  typeOf,
} from "./attention_matrix_forward_products.ts";
import { longestFirst } from "./attention_matrix_part.ts";
import {
  FACTORS_AT,
  FLOATS,
  HALVES,
  oddRow,
  putFactor,
  rowSoftmax,
  SCORE_ROW,
  shareSum,
  STEP,
  subgroupRows,
} from "./attention_matrix_rows.ts";

/** Queries and results of longer heads need more registers than there are. */
const MOST_D = 128;

/** Whether heads of a size can be cut so, in so much workgroup memory. */
export function canMatrixAttend(
  { D }: Pick<AttentionAttrs, "D">,
  choice: MatrixAttention,
  bytes: number,
): boolean {
  const { M, N, K, lanes } = choice.unit;
  return matrixAttentionBytes({ D }, choice) <= bytes && D <= MOST_D &&
    D % N === 0 && D % K === 0 && lanes % M === 0 &&
    N <= STEP - FACTORS_AT * FLOATS && STEP % N === 0 && STEP % K === 0;
}

/** Bytes of workgroup memory. */
export function matrixAttentionBytes(
  { D }: Pick<AttentionAttrs, "D">,
  { queries, keys }: MatrixAttention,
): number {
  const row = oddRow(D / HALVES);
  // Queries are there before all else.
  return 16 * Math.max(2 * keys * row + queries * SCORE_ROW, queries * row);
}

/** Outputs and the logarithms of sums. */
export function matrixAttention(
  { out, lse, ...read }:
    & Record<"qkv" | "out" | "lse", GpuTensor>
    & { rng?: GpuTensor; site?: GpuTensor },
  attrs: AttentionAttrs,
  { choice, context }: { choice: MatrixAttention; context: KernelContext },
): Dispatch {
  const { unit, queries } = choice;
  const isRaw = read.qkv.dtype === unit.scalar;
  const { bindings, names } = bind(
    { read, write: { out, lse } },
    { vector: isRaw ? ["out"] : ["qkv", "out"], quads: isRaw ? ["qkv"] : [] },
  );
  const { qkv, rng, site } = names;
  const tiles = Math.ceil(attrs.T / queries);
  const workgroups = attrs.B * attrs.H * tiles;
  const rows = subgroupRows(unit), perRow = unit.lanes / rows;
  const cut: AttentionCut = {
    ...{ attrs, choice, names, tiles, rows, perRow },
    threads: queries * perRow,
    row: oddRow(attrs.D / HALVES),
    down: range(rows / unit.M),
    across: range(attrs.D / unit.N),
  };
  const code = `
${rng ? dropoutFunctions({ p: attrs.p, site, rng }, context) : ""}
${packing("packed", unit.scalar)}
fn eight(i: u32) -> vec4<u32> {
  return ${
    isRaw
      ? `raw_${qkv}(i)`
      : `vec4<u32>(packed(${qkv}[2u * i]), packed(${qkv}[2u * i + 1u]))`
  };
}
var<workgroup> tiles: array<vec4<u32>, ${
    matrixAttentionBytes(attrs, choice) / 16
  }>;
${
    entry(
      cut.threads,
      `
  var work = ${groupIndex(workgroups)};
  if (work >= ${workgroups}u) { return; }
${attend(cut)}`,
      { subgroup: true },
    )
  }`;
  return {
    label: "attention",
    enables: matrixEnables(unit),
    bindings,
    code,
    workgroups: groups(workgroups),
    flops: attentionFlops(attrs, 2),
  };
}

/** WGSL of all that a workgroup does, once it knows its number. */
function attend(cut: AttentionCut): string {
  const { attrs, choice, names, tiles, rows, perRow } = cut;
  const { B, T, H, Hkv, D } = attrs;
  const { queries, keys } = choice;
  const { registers, put } = keyCopy(cut, "0u");
  return `${longestFirst(B * H, tiles)}
  let tile = ${tiles - 1}u - rank;
  work = head;
  let h = work % ${H}u;
  let hkv = h * ${Hkv}u / ${H}u;
  let first = work / ${H}u * ${T}u;
  let fromQ = tile * ${queries}u;
  let firstRow = fromQ + subgroup * ${rows}u;
  let q = firstRow + sublane / ${perRow}u;
  let part = sublane % ${perRow}u;
  let scores = ${firstScore(cut)}u + subgroup * ${rows * SCORE_ROW}u;
  let own = scores + sublane / ${perRow}u * ${SCORE_ROW}u;
  // 1. Queries, which stay in registers.
${takeQueries(cut, registers)}
${eachUnit(cut, (i, j) => `  var o${i}_${j} = ${typeOf(cut, "C")}();`)}
  var top = ${MASKED};
  var sum = 0.0f;
  let behind = min(fromQ + ${queries}u, ${T}u);
  for (var begin = 0u; begin < behind; begin += ${keys}u) {
    workgroupBarrier();${put}
    workgroupBarrier();
    // The next ones are on their way while these are used.
    let next = begin + ${keys}u;
    if (next < behind) {${keyCopy(cut, "next").take}
    }
    for (var step = 0u; step < ${keys}u; step += ${STEP}u) {
      let k = begin + step;
      if (k >= min(firstRow + ${rows}u, ${T}u)) { break; }
      // 2. Scores: all products before what is stored of them, which might be
      // what others are made of, for all a compiler knows.
${makeScores(cut)}
      subgroupBarrier();
      // 3. Probabilities, later positions masked.
${
    rowSoftmax(cutRows(cut), {
      scale: Math.LOG2E / Math.sqrt(D),
      hasFactors: names.rng !== undefined,
    })
  }
      subgroupBarrier();
      // 4. Probabilities times values.
      if (hasGrown) {
${loadFactors(cut, "factors")}
${eachUnit(cut, (i, j) => `        o${i}_${j} = o${i}_${j} * factors${i};`)}
      }
${addValues(cut)}
      subgroupBarrier();
    }
  }
  // 5. Results, some columns at a time.
${storeResults(cut)}
  if (q < ${T}u && part == 0u) {
    ${names.lse}[work * ${T}u + q] = ${f32(Math.LN2)} * (top + log2(sum));
  }`;
}

/**
 * Copies rows of heads that begin with number `begin` of the sequence, by
 * `eight(i)`, eight numbers of them.
 *
 * @param heads Of each row, the numbers where they begin, and where the first
 * row of them goes.
 */
function headCopy(
  { attrs, row: stride, threads }: AttentionCut,
  { prefix, rows, begin, heads }: {
    prefix: string;
    rows: number;
    begin: string;
    heads: readonly { readonly from: string; readonly to: number }[];
  },
): RowCopy {
  const { T, D } = attrs, width = packed(attrs).width / HALVES;
  const parts = heads.map(({ from, to }, part): CopiedRows => ({
    variable: (turn) => `${prefix}${turn}_${part}`,
    read({ row, within }) {
      // Behind the end of a sequence, the last row is as good as any.
      const at = `(first + min(${begin} + ${row}, ${T - 1}u))`;
      return `eight(${at} * ${width}u + ${within} + (${from}) / ${HALVES}u)`;
    },
    write: ({ row, within }, value) => [
      `tiles[${row} * ${stride}u + ${within} + ${to}u] = ${value};`,
    ],
  }));
  return rowCopy({
    ...{ rows, vectors: D / HALVES, threads, type: "vec4<u32>", parts },
    canReadBehind: true,
  });
}

/** Keys and values, on their way to workgroup memory. */
function keyCopy(cut: AttentionCut, begin: string): RowCopy {
  const { key, value } = packed(cut.attrs);
  return headCopy(cut, {
    ...{ prefix: "key", rows: cut.choice.keys, begin },
    heads: [
      { from: key("hkv"), to: 0 },
      { from: value("hkv"), to: firstValue(cut) },
    ],
  });
}

/** WGSL: queries as units, while the first keys are on their way. */
function takeQueries(cut: AttentionCut, keyRegisters: string): string {
  const { attrs, choice: { queries, unit: { M, K } }, rows, row, down } = cut;
  const { registers, take, put } = headCopy(cut, {
    ...{ prefix: "query", rows: queries, begin: "fromQ" },
    heads: [{ from: packed(attrs).query("h"), to: 0 }],
  });
  return `  {${registers}${take}${put}
  }${keyRegisters}${keyCopy(cut, "0u").take}
  workgroupBarrier();
${
    down.flatMap((i) =>
      range(attrs.D / K).map((d) =>
        `  let q${i}_${d} = coopLoad<${
          typeOf(cut, "A")
        }>(&tiles[(subgroup * ${rows}u + ${i * M}u) * ${row}u + ${
          d * K / HALVES
        }u], ${row}u);`
      )
    ).join("\n")
  }`;
}

/** WGSL: results, divided by the sums of their rows, to memory. */
function storeResults(cut: AttentionCut): string {
  const { attrs: { T, H, D }, choice: { unit }, names, rows, down } = cut;
  const { N, lanes } = unit;
  return `${shareSum(cutRows(cut))}
${putFactor(cutRows(cut), "1.0f / sum")}
  subgroupBarrier();
${loadFactors(cut, "inverse")}
${
    range(Math.ceil(D / STEP)).map((part) => {
      const columns = Math.min(STEP, D - part * STEP);
      const quads = columns / FLOATS;
      return `  subgroupBarrier();
${
        range(columns / N).map((j) =>
          down.map((i) =>
            `  coopStore(o${i}_${part * STEP / N + j} * inverse${i}, ${
              scoresOf(cut, i, j * N / FLOATS)
            }, ${SCORE_ROW}u);`
          ).join("\n")
        ).join("\n")
      }
  subgroupBarrier();
  for (var index = sublane; index < ${rows * quads}u; index += ${lanes}u) {
    let row = firstRow + index / ${quads}u;
    if (row < ${T}u) {
      let result = bitcast<vec4<f32>>(tiles[scores + index / ${quads}u * ${SCORE_ROW}u + index % ${quads}u]);
      ${names.out}[((first + row) * ${H * D}u + h * ${D}u) / 4u + ${
        part * STEP / FLOATS
      }u + index % ${quads}u] = result;
    }
  }`;
    }).join("\n")
  }`;
}
