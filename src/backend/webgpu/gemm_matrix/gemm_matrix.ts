/**
 * Matrix products on matrix units ("tensor cores"), cut into tiles: WGSL with
 * cooperative matrices, which the threads of a subgroup hold together.
 *
 * Tiles of both factors go through workgroup memory in two bytes a number, as
 * they lie in device memory: a unit loads rows or columns alike. Numbers that
 * are stored otherwise are rounded on the way. Each subgroup holds a block of
 * results as units of f32, which matrix_results.ts stores. The next tile is
 * read while this one is used. Compute bound.
 *
 * Extension: VK_KHR_cooperative_matrix; shape of the kernel: J. Bolz's
 * https://github.com/jeffbolznv/vk_cooperative_matrix_perf.
 *
 * @module
 */

import type { Dispatch } from "../dispatch.ts";
import type { Factor } from "../gemm/gemm_factor.ts";
import { gemmFrame, type GemmTensors } from "../gemm/gemm_frame.ts";
import { storeSum, type Summing } from "../gemm/gemm_store.ts";
import type {
  GemmShape,
  GemmVariant,
  MatrixTile,
} from "../gemm/gemm_variant.ts";
import { matrixEnables, matrixType } from "../shader/matrix.ts";
import { packing, unpacking } from "../shader/two_byte_access.ts";
import { entry, f32, joined, range } from "../shader/wgsl.ts";
import {
  EIGHT,
  type MatrixLoad,
  matrixLoad,
  QUAD_BYTES,
  rowsOf,
} from "./matrix_load.ts";
import { resultAt, resultQuads, storeUnits } from "./matrix_results.ts";

/** Threads of a workgroup. */
export function matrixThreads(
  { tileM, tileN, subgroupM, subgroupN, unit }: MatrixTile,
): number {
  return tileM / subgroupM * (tileN / subgroupN) * unit.lanes;
}

/** Bytes of workgroup memory, at most. */
export function matrixWorkgroupBytes(tile: MatrixTile): number {
  const { tileM, tileN, tileK } = tile;
  const most = (size: number) =>
    Math.max(
      ...[true, false].map((alongK) =>
        rowsOf({ tile: size, alongK }, tileK).size
      ),
    );
  return QUAD_BYTES * quadsOf(tile, most(tileM) + most(tileN));
}

/** Whether each thread loads quads of the same columns of `b` only. */
export function canMatrixSumColumns(tile: MatrixTile): boolean {
  return matrixThreads(tile) % (tile.tileN / EIGHT) === 0;
}

/** As `gemmKernel`, by a variant of matrix units. */
export function matrixKernel(
  tensors: GemmTensors,
  { shape, variant }: {
    shape: GemmShape;
    variant: GemmVariant & MatrixTile;
  },
): Dispatch {
  const { M, N, K } = shape;
  const { unit: { scalar } } = variant;
  // bf16 reaches as far as f32.
  const scales = scalar === "f16" && tensors.scales || { a: 1, b: 1 };
  /** Whether it is stored as the unit takes it. */
  const isRaw = (name: "a" | "b") => {
    const { dtype, scale = 1 } = tensors[name];
    return dtype === scalar && scale === scales[name];
  };
  const frame = gemmFrame(tensors, {
    ...{ shape, variant, quads: { a: isRaw("a"), b: isRaw("b") } },
  });
  const { bindings, workgroups, summing } = frame;
  const threads = matrixThreads(variant);
  const load = (name: "a" | "b") =>
    matrixLoad(frame[name], {
      ...{ variant, threads, prefix: name },
      scale: isRaw(name) ? 1 : scales[name],
    });
  const a = load("a"), b = load("b");
  const quads = quadsOf(variant, a.rows.size + b.rows.size);
  const code = `${frame.declarations}${packing("packed", scalar)}${
    summing ? unpacking("unpacked", scalar) : ""
  }
var<workgroup> tiles: array<vec4<u32>, ${quads}>;
${
    entry(
      threads,
      `${frame.place}${begin(variant)}${a.begin}${b.begin}
  ${a.registers}${b.registers}${
        eachUnit(variant, (i, j) => `
  var c${i}_${j} = ${matrixType(variant.unit, "C")}();`)
      }${
        summing
          ? COLUMN_SUMS.map((sum) => `
  var ${sum} = vec4<f32>();`).join("")
          : ""
      }${loop({ a, b, variant, K, sums: summing !== undefined })}${
        summing
          ? sumTile(frame.b, {
            ...{ summing, variant },
            scale: isRaw("b") ? 1 / scales.b : 1,
          })
          : ""
      }${
        storeUnits(frame.results, { variant, scale: 1 / (scales.a * scales.b) })
      }`,
      { subgroup: true },
    )
  }`;
  return {
    label: "matmul",
    enables: matrixEnables(variant.unit),
    bindings,
    code,
    workgroups,
    flops: 2 * M * N * K,
  };
}

/** WGSL for each unit of a subgroup's block, row by row. */
function eachUnit(
  { subgroupM, subgroupN, unit }: MatrixTile,
  line: (i: number, j: number) => string,
): string {
  return range(subgroupM / unit.M).flatMap((i) =>
    range(subgroupN / unit.N).map((j) => line(i, j))
  ).join("");
}

/** WGSL: where the block of this subgroup begins in the tile. */
function begin({ tileN, subgroupM, subgroupN }: MatrixTile): string {
  const across = tileN / subgroupN;
  return `
  let blockM = subgroup / ${across}u * ${subgroupM}u;
  let blockN = subgroup % ${across}u * ${subgroupN}u;`;
}

/** Quads that a workgroup needs, whose tiles are so long together. */
function quadsOf(tile: MatrixTile, ofTiles: number): number {
  const threads = matrixThreads(tile);
  const ofResults = threads / tile.unit.lanes * resultQuads(tile);
  return Math.max(ofTiles, ofResults, 2 * threads);
}

/**
 * Tiles this deep are read behind the loads of the units of the one before.
 * Alone on a core, else all its subgroups wait with those for these: measured
 * on an H200, 128x128x64 takes 5 to 9 % less; 128x128x32, of which a core has
 * two, 1 to 4 % more.
 */
const DEEP = 64;

/**
 * The loop over k. Tiles go through registers: what is read in one turn is put
 * into workgroup memory in the next.
 */
function loop(
  { a, b, variant, K, sums }: {
    a: MatrixLoad;
    b: MatrixLoad;
    variant: MatrixTile;
    K: number;
    /** Whether columns of `b` are summed. */
    sums: boolean;
  },
): string {
  const { tileK } = variant;
  const take = (k: string) => a.take(k) + b.take(k);
  const last = (Math.ceil(K / tileK) - 1) * tileK;
  // In a branch, so that a compiler tells waiting for these from waiting for
  // units; what is kept when nothing is read would be copied in each turn.
  const read = `
    let next = k + ${tileK}u;
    if (next < toK) {${take("next")}
    } else {${a.clear}${b.clear}
    }`;
  const isLate = tileK >= DEEP;
  return `
  let firstK = min(fromK, ${last}u);${take("firstK")}
  for (var k = fromK; k < toK; k += ${tileK}u) {${
    sums
      ? `
    if (fromM == 0u) {${b.addUp(COLUMN_SUMS)}
    }`
      : ""
  }${a.put("0u")}${b.put(`${a.rows.size}u`)}
    workgroupBarrier();${isLate ? "" : read}${
    multiply(variant, { a, b, between: isLate ? read : "" })
  }
    workgroupBarrier();
  }`;
}

/**
 * Multiplies the tiles that are in workgroup memory.
 *
 * @param options.between Statements behind the loads of the first units.
 */
function multiply(
  variant: MatrixTile,
  { a, b, between }: { a: MatrixLoad; b: MatrixLoad; between: string },
): string {
  const { tileK, subgroupM, subgroupN, unit } = variant;
  /** A unit at depth k, and so far along the size of the factor's block. */
  const load = (
    { rows: { stride }, alongK }: MatrixLoad,
    { use, from, k, along }: {
      use: "A" | "B";
      /** Where the tile, and in it the block, begins. */
      from: (step: string) => string;
      k: number;
      along: number;
    },
  ) => {
    // Units read rows of a or columns of b where those lie along k.
    const isRow = alongK === (use === "A");
    const offset = alongK
      ? along * stride + k / EIGHT
      : k * stride + along / EIGHT;
    return `${isRow ? "coopLoad" : "coopLoadT"}<${
      matrixType(unit, use)
    }>(&tiles[${
      from(alongK ? ` * ${stride}u` : ` / ${EIGHT}u`)
    } + ${offset}u], ${stride}u)`;
  };
  const fromA = (step: string) => `blockM${step}`;
  const fromB = (step: string) => `${a.rows.size}u + blockN${step}`;
  return range(tileK / unit.K).map((depth) => {
    const k = depth * unit.K;
    const down = range(subgroupM / unit.M), across = range(subgroupN / unit.N);
    const loads = [
      ...down.map((i) => `
      let a${i} = ${
        load(a, { use: "A", from: fromA, k, along: i * unit.M })
      };`),
      ...across.map((j) => `
      let b${j} = ${
        load(b, { use: "B", from: fromB, k, along: j * unit.N })
      };`),
    ];
    const products = across.flatMap((j) =>
      down.map((i) => `
      c${i}_${j} = coopMultiplyAdd(a${i}, b${j}, c${i}_${j});`)
    );
    return `
    {${loads.join("")}${depth === 0 ? between : ""}${products.join("")}
    }`;
  }).join("");
}

/** Of a thread's eight columns. */
const COLUMN_SUMS = ["lowSum", "highSum"] as const;

/** Adds up what the threads have of each column, in their order. */
function sumTile(
  b: Factor,
  { summing, variant, scale }: {
    summing: Summing;
    variant: MatrixTile;
    /** Of the sums, of what is stored as units take it. */
    scale: number;
  },
): string {
  const quarter = b.tile / 4, eighth = b.tile / EIGHT;
  const count = eighth * variant.tileK;
  const threads = Math.min(matrixThreads(variant), count);
  const total = joined(
    threads / eighth,
    " + ",
    (i) => resultAt(`lane + ${i * quarter}u`),
  );
  const [low, high] = COLUMN_SUMS;
  return `
  if (fromM == 0u) {
    if (lane < ${threads}u) {
      tiles[2u * lane] = bitcast<vec4<u32>>(${low});
      tiles[2u * lane + 1u] = bitcast<vec4<u32>>(${high});
    }
    workgroupBarrier();
    if (lane < ${quarter}u) {
      let column = fromN + 4u * lane;
      let total = ${scale === 1 ? total : `(${total}) * ${f32(scale)}`};
      ${storeSum("total", summing)}
    }
    workgroupBarrier();
  }`;
}
