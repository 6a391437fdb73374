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
  dropoutVector,
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
import { matrixType } from "../gemm_matrix/gemm_matrix.ts";
import type { KernelContext } from "../kernel.ts";
import { dropoutFunctions } from "../shader/philox.ts";
import { packing } from "../shader/two_byte_access.ts";
import { entry, f32, lines, range } from "../shader/wgsl.ts";
import { rowCopy } from "./attention_matrix_copy.ts";
import { longestFirst } from "./attention_matrix_part.ts";
import {
  FACTORS_AT,
  FLOATS,
  HALVES,
  oddRow,
  putFactor,
  rowFactors,
  rowSoftmax,
  SCORE_ROW,
  shareSum,
  STEP,
  subgroupRows,
} from "./attention_matrix_rows.ts";
import { matrixEnables } from "./attention_matrix_tile.ts";

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
  const { B, T, H, Hkv, D } = attrs;
  const { unit, queries, keys } = choice;
  const rows = subgroupRows(unit);
  const { M, N, K, lanes, scalar } = unit;
  const isRaw = read.qkv.dtype === scalar;
  const { bindings, names } = bind(
    { read, write: { out, lse } },
    { vector: isRaw ? ["out"] : ["qkv", "out"], quads: isRaw ? ["qkv"] : [] },
  );
  const { qkv, rng } = names;
  const tiles = Math.ceil(T / queries);
  const workgroups = B * H * tiles;
  const perRow = lanes / rows; // threads of a row
  const threads = queries * perRow;
  const vectors = D / HALVES, row = oddRow(vectors);
  const firstValue = keys * row;
  const firstScore = 2 * keys * row;
  const heads = packed(attrs), width = heads.width / HALVES;
  const type = (use: "A" | "B" | "C") => matrixType({ unit }, use);
  const down = range(rows / M); // units of a subgroup's rows
  const across = range(D / N); // of a head's columns
  const rowsOf = { vectors, stride: row, threads, width, T };
  const copyQueries = rowCopy({
    ...{ ...rowsOf, prefix: "query", rows: queries },
    parts: [{ from: heads.query("h"), to: 0 }],
  });
  const copyKeys = rowCopy({
    ...{ ...rowsOf, prefix: "key", rows: keys },
    parts: [
      { from: heads.key("hkv"), to: 0 },
      { from: heads.value("hkv"), to: firstValue },
    ],
  });
  const eachUnit = (line: (i: number, j: number) => string) =>
    down.flatMap((i) => across.map((j) => line(i, j))).join("\n");
  const eachScore = (line: (i: number, j: number) => string) =>
    down.flatMap((i) => range(STEP / N).map((j) => line(i, j))).join("\n");
  const factor = rng
    ? (key: string) =>
      dropoutVector(attrs, `(work * ${T}u + q) * ${T}u + ${key}`)
    : undefined;
  /** Where the scores of the subgroup's unit i begin. */
  const scoresOf = (i: number, vector: number) =>
    `&tiles[scores + ${i * M * SCORE_ROW}u + ${vector}u]`;
  /** Loads what each row is multiplied by. */
  const loadFactors = (name: string) =>
    down.map((i) =>
      `let ${name}${i} = coopLoad<${type("C")}>(${
        scoresOf(i, FACTORS_AT)
      }, ${SCORE_ROW}u);`
    ).join("\n");
  const lanesOfRow = { perRow, N };
  const code = `
${rng ? dropoutFunctions({ p: attrs.p, site: names.site, rng }, context) : ""}
${packing("packed", scalar)}
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
      threads,
      `
  var work = ${groupIndex(workgroups)};
  if (work >= ${workgroups}u) { return; }
${longestFirst(B * H, tiles)}
  let tile = ${tiles - 1}u - rank;
  work = head;
  let h = work % ${H}u;
  let hkv = h * ${Hkv}u / ${H}u;
  let first = work / ${H}u * ${T}u;
  let fromQ = tile * ${queries}u;
  let firstRow = fromQ + subgroup * ${rows}u;
  let q = firstRow + sublane / ${perRow}u;
  let part = sublane % ${perRow}u;
  let scores = ${firstScore}u + subgroup * ${rows * SCORE_ROW}u;
  let own = scores + sublane / ${perRow}u * ${SCORE_ROW}u;
  // 1. Queries, which stay in registers.
  {
${copyQueries.registers}
${copyQueries.take("fromQ")}
${copyQueries.put}
  }
${copyKeys.registers}
${copyKeys.take("0u")}
  workgroupBarrier();
${
        down.flatMap((i) =>
          range(D / K).map((d) =>
            `  let q${i}_${d} = coopLoad<${
              type("A")
            }>(&tiles[(subgroup * ${rows}u + ${i * M}u) * ${row}u + ${
              d * K / HALVES
            }u], ${row}u);`
          )
        ).join("\n")
      }
${eachUnit((i, j) => `  var o${i}_${j} = ${type("C")}();`)}
  var top = ${MASKED};
  var sum = 0.0f;
  let behind = min(fromQ + ${queries}u, ${T}u);
  for (var begin = 0u; begin < behind; begin += ${keys}u) {
    workgroupBarrier();
${copyKeys.put}
    workgroupBarrier();
    // The next ones are on their way while these are used.
    let next = begin + ${keys}u;
    if (next < behind) {
${copyKeys.take("next")}
    }
    for (var step = 0u; step < ${keys}u; step += ${STEP}u) {
      let k = begin + step;
      if (k >= min(firstRow + ${rows}u, ${T}u)) { break; }
      // 2. Scores: all products before what is stored of them, which might be
      // what others are made of, for all a compiler knows.
${eachScore((i, j) => `      var s${i}_${j} = ${type("C")}();`)}
${
        range(D / K).map((d) =>
          `      {
${
            range(STEP / N).map((j) =>
              `        let keys${j} = coopLoadT<${type("B")}>(&tiles[(step + ${
                j * N
              }u) * ${row}u + ${d * K / HALVES}u], ${row}u);`
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
${rowFactors(lanesOfRow, factor)}
${
        eachScore((i, j) =>
          `      coopStore(s${i}_${j}, ${
            scoresOf(i, j * N / FLOATS)
          }, ${SCORE_ROW}u);`
        )
      }
      subgroupBarrier();
      // 3. Probabilities, later positions masked.
${
        rowSoftmax(lanesOfRow, {
          scale: Math.LOG2E / Math.sqrt(D),
          hasFactors: rng !== undefined,
        })
      }
      subgroupBarrier();
      // 4. Probabilities times values.
      if (hasGrown) {
${loadFactors("factors")}
${eachUnit((i, j) => `        o${i}_${j} = o${i}_${j} * factors${i};`)}
      }
${
        range(STEP / K).map((d) =>
          `      {
${
            lines(
              down.length,
              (i) =>
                `        let probs${i} = coopLoad<${type("A")}>(${
                  scoresOf(i, d * K / HALVES)
                }, ${SCORE_ROW}u);`,
            )
          }
${
            across.map((j) =>
              `        let values${j} = coopLoad<${
                type("B")
              }>(&tiles[${firstValue}u + (step + ${d * K}u) * ${row}u + ${
                j * N / HALVES
              }u], ${row}u);
${
                lines(
                  down.length,
                  (i) =>
                    `        o${i}_${j} = coopMultiplyAdd(probs${i}, values${j}, o${i}_${j});`,
                )
              }`
            ).join("\n")
          }
      }`
        ).join("\n")
      }
      subgroupBarrier();
    }
  }
  // 5. Results, some columns at a time.
${shareSum(lanesOfRow)}
${putFactor(lanesOfRow, "1.0f / sum")}
  subgroupBarrier();
${loadFactors("inverse")}
${
        range(Math.ceil(D / STEP)).map((part) => {
          const columns = Math.min(STEP, D - part * STEP);
          const quads = columns / FLOATS;
          return `  subgroupBarrier();
${
            range(columns / N).map((j) =>
              lines(
                down.length,
                (i) =>
                  `  coopStore(o${i}_${part * STEP / N + j} * inverse${i}, ${
                    scoresOf(i, j * N / FLOATS)
                  }, ${SCORE_ROW}u);`,
              )
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
      }
  if (q < ${T}u && part == 0u) {
    ${names.lse}[work * ${T}u + q] = ${f32(Math.LN2)} * (top + log2(sum));
  }`,
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
