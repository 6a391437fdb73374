/**
 * Matrix products on matrix units ("tensor cores"), cut into tiles: WGSL with
 * cooperative matrices, which the threads of a subgroup hold together.
 *
 * Tiles of both factors go through workgroup memory in two bytes a number, as
 * they lie in device memory: a unit loads rows or columns alike. Numbers that
 * are stored otherwise are rounded on the way. Each subgroup holds a block of
 * results as units of f32; at the end they go through workgroup memory once
 * more, one row of units at a time, to be stored as all products are. The next
 * tile is read while this one is used. Compute bound.
 *
 * Extension: VK_KHR_cooperative_matrix; shape of the kernel: J. Bolz's
 * https://github.com/jeffbolznv/vk_cooperative_matrix_perf.
 *
 * @module
 */

import type { Dispatch } from "../dispatch.ts";
import { packing, unpacking } from "../two_bytes.ts";
import { entry, f32, joined, range } from "../wgsl.ts";
import { type Factor, loadAlongK, loadAlongSize } from "./gemm_factor.ts";
import {
  type GemmFrame,
  gemmFrame,
  type GemmTensors,
  storeSum,
  type Summing,
} from "./gemm_frame.ts";
import type { GemmShape, GemmVariant, MatrixTile } from "./gemm_variant.ts";

/**
 * Workgroup memory is an array of pairs of words: four numbers of two bytes,
 * or two of f32. Rows are so many longer than needed, 16 bytes of a tile and
 * 32 of results, that eight rows begin in different banks; units load and store
 * rows that begin at multiples of 16 bytes.
 */
const TILE_PAD = 2, RESULT_PAD = 4;

/** Bytes of a pair of words. */
const PAIR = 8;

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
        rowsOf({ tile: size, alongK }, tileK).pairs
      ),
    );
  return PAIR * pairsOf(tile, most(tileM) + most(tileN));
}

/** Whether each thread loads vectors of one column of `b` only. */
export function canMatrixSumColumns(tile: MatrixTile): boolean {
  return matrixThreads(tile) % (tile.tileN / 4) === 0;
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
  const { tileK, unit: { scalar } } = variant;
  // bf16 reaches as far as f32.
  const scales = scalar === "f16" && tensors.scales || { a: 1, b: 1 };
  const frame = gemmFrame(tensors, { shape, variant });
  const { bindings, workgroups, summing } = frame;
  const a = tileOf(frame.a, { variant, prefix: "a", scale: scales.a });
  const b = tileOf(frame.b, { variant, prefix: "b", scale: scales.b });
  const places = { a, b, firstOfB: a.rows.pairs };
  const take = (k: string) => a.take(k) + b.take(k);
  const last = (Math.ceil(K / tileK) - 1) * tileK;
  const pairs = pairsOf(variant, a.rows.pairs + b.rows.pairs);
  const code = `${frame.declarations}${packing("packed", scalar)}${
    summing ? unpacking("unpacked", scalar) : ""
  }
var<workgroup> tiles: array<vec2<u32>, ${pairs}>;
${
    entry(
      matrixThreads(variant),
      `${frame.place}${begin(variant)}${a.begin}${b.begin}
  ${a.registers}${b.registers}${
        eachUnit(variant, (i, j) => `
  var c${i}_${j} = ${matrixType(variant, "C")}();`)
      }${summing ? "\n  var columnSum = vec4<f32>();" : ""}
  let firstK = min(fromK, ${last}u);${take("firstK")}
  for (var k = fromK; k < toK; k += ${tileK}u) {${
        summing
          ? `
    if (fromM == 0u) {${b.addUp("columnSum")}
    }`
          : ""
      }${a.put("0u")}${b.put(`${places.firstOfB}u`)}
    workgroupBarrier();
    let next = k + ${tileK}u;
    if (next < toK) {${take("next")}
    }${multiply(variant, places)}
    workgroupBarrier();
  }${summing ? sumTile(frame.b, { summing, variant }) : ""}${
        storeResults(frame, { variant, scale: 1 / (scales.a * scales.b) })
      }`,
      { subgroup: true },
    )
  }`;
  return {
    label: "matmul",
    enables: [
      "wgpu_cooperative_matrix",
      "subgroups",
      ...scalar === "f16" ? ["f16"] : [],
    ],
    bindings,
    code,
    workgroups,
    flops: 2 * M * N * K,
  };
}

/** The type of one unit: left or right factor, or result. */
function matrixType(
  { unit: { M, N, K, scalar } }: MatrixTile,
  use: "A" | "B" | "C",
): string {
  const sides = { A: `${M}x${K}`, B: `${K}x${N}`, C: `${M}x${N}` };
  return `coop_mat${sides[use]}<${use === "C" ? "f32" : scalar}, ${use}>`;
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

/** How a tile lies in workgroup memory, in pairs of words. */
interface TileRows {
  /** Vectors of four in a row. */
  readonly vectors: number;
  readonly count: number;
  /** From one row to the next. */
  readonly stride: number;
  readonly pairs: number;
}

/** Rows of a tile are those of the factor in memory. */
function rowsOf(
  { tile, alongK }: Pick<Factor, "tile" | "alongK">,
  tileK: number,
): TileRows {
  const [length, count] = alongK ? [tileK, tile] : [tile, tileK];
  const vectors = length / 4, stride = vectors + TILE_PAD;
  return { vectors, count, stride, pairs: count * stride };
}

/** Rows of results of one subgroup, one row of units high. */
function resultRows({ subgroupN, unit }: MatrixTile) {
  const stride = subgroupN / 2 + RESULT_PAD;
  return { stride, pairs: unit.M * stride };
}

/** Pairs of words that a workgroup needs. */
function pairsOf(tile: MatrixTile, ofTiles: number): number {
  const threads = matrixThreads(tile);
  const ofResults = threads / tile.unit.lanes * resultRows(tile).pairs;
  return Math.max(ofTiles, ofResults, 2 * threads);
}

/** A factor's tile: how it gets into workgroup memory. */
interface MatrixLoad {
  readonly rows: TileRows;
  readonly alongK: boolean;
  /** WGSL before the loop: what each thread loads. */
  readonly begin: string;
  /** Variables for what is read before it is put into the tile. */
  readonly registers: string;
  /** Statements that read the part of this thread at depth `k`. */
  take(k: string): string;
  /** Statements that write it into the tile that begins at `first`. */
  put(first: string): string;
  /** Statements that add it to `sum`, of a factor that is not transposed. */
  addUp(sum: string): string;
}

/** Shares a tile out among the threads, vector by vector. */
function tileOf(
  factor: Factor,
  { variant, prefix, scale }: {
    variant: MatrixTile;
    prefix: "a" | "b";
    scale: number;
  },
): MatrixLoad {
  const { tileK, unit: { scalar } } = variant;
  const { alongK, K, dtype } = factor;
  const threads = matrixThreads(variant);
  const rows = rowsOf(factor, tileK);
  const count = rows.count * rows.vectors;
  const guardK = K % tileK !== 0;
  // What is stored as the unit takes it needs no rounding.
  const raw = dtype === scalar && scale === 1;
  const turns = range(Math.ceil(count / threads));
  const first = prefix === "a" ? "fromM" : "fromN";
  const name = (what: string, turn: number) => `${prefix}${what}${turn}`;
  const all = (line: (turn: number) => string) =>
    turns.map((turn) =>
      (turn + 1) * threads <= count ? line(turn) : `
    if (${name("Unit", turn)} < ${count}u) {${line(turn)}
    }`
    ).join("");
  return {
    rows,
    alongK,
    begin: turns.map((turn) => {
      const unit = name("Unit", turn);
      return `
  let ${unit} = lane + ${turn * threads}u;
  let ${name("Row", turn)} = ${unit} / ${rows.vectors}u;
  let ${name("In", turn)} = ${unit} % ${rows.vectors}u;`;
    }).join(""),
    registers: turns.map((turn) => `
  var ${name("Next", turn)} = ${raw ? "vec2<u32>()" : "vec4<f32>()"};`).join(
      "",
    ),
    take: (k) =>
      all((turn) => {
        const row = name("Row", turn), within = `4u * ${name("In", turn)}`;
        const value = alongK
          ? loadAlongK(factor, 0, {
            ...{ o: `${first} + ${row}`, k: `${k} + ${within}`, guardK, raw },
          })
          : loadAlongSize(factor, {
            ...{ o: `${first} + ${within}`, k: `${k} + ${row}`, guardK, raw },
          });
        return `
      ${name("Next", turn)} = ${value};`;
      }),
    put: (from) =>
      all((turn) => {
        const next = name("Next", turn);
        const scaled = scale === 1 ? next : `${next} * ${f32(scale)}`;
        return `
    tiles[${from} + ${name("Row", turn)} * ${rows.stride}u + ${
          name("In", turn)
        }] = ${raw ? next : `packed(${scaled})`};`;
      }),
    addUp: (sum) =>
      all((turn) => {
        const next = name("Next", turn);
        return `
      ${sum} += ${raw ? `unpacked(${next})` : next};`;
      }),
  };
}

/** Multiplies the tiles that are in workgroup memory. */
function multiply(
  variant: MatrixTile,
  { a, b, firstOfB }: { a: MatrixLoad; b: MatrixLoad; firstOfB: number },
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
    const offset = alongK ? along * stride + k / 4 : k * stride + along / 4;
    return `${isRow ? "coopLoad" : "coopLoadT"}<${
      matrixType(variant, use)
    }>(&tiles[${
      from(alongK ? ` * ${stride}u` : " / 4u")
    } + ${offset}u], ${stride}u)`;
  };
  const fromA = (step: string) => `blockM${step}`;
  const fromB = (step: string) => `${firstOfB}u + blockN${step}`;
  return range(tileK / unit.K).map((depth) => {
    const k = depth * unit.K;
    return `
    {${
      range(subgroupM / unit.M).map((i) => `
      let a${i} = ${load(a, { use: "A", from: fromA, k, along: i * unit.M })};`)
        .join("")
    }${
      range(subgroupN / unit.N).map((j) => `
      let b${j} = ${load(b, { use: "B", from: fromB, k, along: j * unit.N })};${
        range(subgroupM / unit.M).map((i) => `
      c${i}_${j} = coopMultiplyAdd(a${i}, b${j}, c${i}_${j});`).join("")
      }`).join("")
    }
    }`;
  }).join("");
}

/** Adds up what the threads have of each column, in their order. */
function sumTile(
  b: Factor,
  { summing, variant }: { summing: Summing; variant: MatrixTile },
): string {
  const quarter = b.tile / 4;
  const count = quarter * variant.tileK;
  const threads = Math.min(matrixThreads(variant), count);
  const total = joined(
    threads / quarter,
    " + ",
    (i) => resultAt(`2u * lane + ${2 * i * quarter}u`),
  );
  return `
  if (fromM == 0u) {
    if (lane < ${threads}u) {
      tiles[2u * lane] = bitcast<vec2<u32>>(columnSum.xy);
      tiles[2u * lane + 1u] = bitcast<vec2<u32>>(columnSum.zw);
    }
    workgroupBarrier();
    if (lane < ${quarter}u) {
      let column = fromN + 4u * lane;
      let total = ${total};
      ${storeSum("total", summing)}
    }
    workgroupBarrier();
  }`;
}

/** Stores the units of all subgroups, one row of them after another. */
function storeResults(
  { store }: GemmFrame,
  { variant, scale }: { variant: MatrixTile; scale: number },
): string {
  const { tileN, subgroupM, subgroupN, unit } = variant;
  const { stride, pairs } = resultRows(variant);
  const threads = matrixThreads(variant), across = tileN / subgroupN;
  const quarter = subgroupN / 4; // vectors of a row
  const count = unit.M * quarter; // of a subgroup
  const times = scale === 1 ? "" : ` * ${f32(scale)}`;
  const down = range(subgroupM / unit.M);
  return down.map((i) =>
    range(subgroupN / unit.N).map((j) => `
  coopStore(c${i}_${j}, &tiles[subgroup * ${pairs}u + ${
      j * unit.N / 2
    }u], ${stride}u);`).join("") + `
  workgroupBarrier();
  for (var index = lane; index < ${
      threads / unit.lanes * count
    }u; index += ${threads}u) {
    let part = index / ${count}u;
    let partRow = index % ${count}u / ${quarter}u;
    let vector = index % ${quarter}u;
    let from = part * ${pairs}u + partRow * ${stride}u + 2u * vector;
    let result = ${resultAt("from")}${times};
    ${
      store("result", {
        row: `fromM + part / ${across}u * ${subgroupM}u + ${
          i * unit.M
        }u + partRow`,
        column: `fromN + part % ${across}u * ${subgroupN}u + 4u * vector`,
      })
    }
  }${
      i + 1 < down.length
        ? `
  workgroupBarrier();`
        : ""
    }`
  ).join("");
}

/** The four numbers of f32 from a pair of words on. */
function resultAt(at: string): string {
  return `bitcast<vec4<f32>>(vec4<u32>(tiles[${at}], tiles[${at} + 1u]))`;
}
