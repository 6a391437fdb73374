/**
 * Scores' part of attention's gradient, kept in memory: for each tile of
 * queries and of keys before them, the probabilities that values were
 * multiplied with, and the slopes ds.
 *
 * Formulas: ../kernels/attention_backward.ts.
 *
 * @module
 */

import {
  bind,
  type Dispatch,
  type GpuTensor,
  groupIndex,
  groups,
} from "../dispatch.ts";
import type { KernelContext } from "../kernel.ts";
import { lanePlace } from "../shader/lanes.ts";
import { dropoutFunctions } from "../shader/philox.ts";
import { entry, f32, lines } from "../shader/wgsl.ts";
import { GRADIENT_LABEL, pairs } from "./attention_gradients.ts";
import {
  headLoader,
  keyHeads,
  outHeads,
  queryHeads,
} from "./attention_heads.ts";
import {
  addOuterScores,
  eachSum,
  OUTER_MEMORY,
  OUTER_QUADS,
  OUTER_SIDE,
  OUTER_THREADS,
  OUTER_TILE,
  outerSum,
} from "./attention_outer.ts";
import {
  attentionFlops,
  type AttentionShape,
  dropoutVector,
} from "./attention_tile.ts";

/** Vectors of a tile. */
const TILE_VECTORS = OUTER_TILE * OUTER_QUADS;

/** Some sequences, and what is kept of them. */
export interface KeptPart {
  /** How many sequences, at most: `start` tells which. */
  readonly sequences: number;
  /** The number of the first one; absent is 0. */
  readonly start?: GpuTensor;
  /**
   * ds without 1 / sqrt(D), then probabilities times factors of dropout:
   * (2, sequences, H, pairs, queries, keys), 64 x 64 of the last two.
   */
  readonly kept: GpuTensor;
}

/** Numbers of one half of what is kept of so many sequences. */
export function keptLength(shape: AttentionShape, sequences: number): number {
  return sequences * shape.H * pairs(shape) * 4 * TILE_VECTORS;
}

/** WGSL: where the first vector of a tile is kept. */
export function keptAt(
  shape: AttentionShape,
  { sequence, head, queryTile, keyTile }: Record<
    "sequence" | "head" | "queryTile" | "keyTile",
    string
  >,
): string {
  const pair = `${queryTile} * (${queryTile} + 1u) / 2u + ${keyTile}`;
  return `((${sequence} * ${shape.H}u + ${head}) * ${
    pairs(shape)
  }u + ${pair}) * ${TILE_VECTORS}u`;
}

/** Two products of each tile, a workgroup for it. */
export function keptSlopes(
  { part: { sequences, start, kept }, ...read }:
    & Record<"dOut" | "qkv" | "lse" | "rowDots", GpuTensor>
    & { rng?: GpuTensor; site?: GpuTensor; part: KeptPart },
  shape: AttentionShape,
  context: KernelContext,
): Dispatch {
  const { bindings, names } = bind(
    { read: { ...read, start }, write: { kept } },
    { vector: ["kept", ...shape.vector ? ["dOut", "qkv"] : []] },
  );
  const { dOut, qkv, rng, site } = names;
  const workgroups = sequences * shape.H * pairs(shape);
  const tiles: Tiles = { shape, names, sequences };
  const code = `
${rng ? dropoutFunctions({ p: shape.p, site, rng }, context) : ""}
${headLoader(qkv, shape)}
${dOut === qkv ? "" : headLoader(dOut, shape)}
${OUTER_MEMORY}
${
    entry(
      OUTER_THREADS,
      `
  var work = ${groupIndex(workgroups)};
  if (work >= ${workgroups}u) { return; }
${findTiles(tiles)}
  // 1. Probabilities.
${probabilities(tiles)}
  // 2. What the output's gradient asks of them.
${slopes(tiles)}`,
    )
  }`;
  return {
    label: GRADIENT_LABEL,
    bindings,
    code,
    workgroups: groups(workgroups),
    flops: attentionFlops({ ...shape, B: sequences }, 2),
  };
}

/** What the parts of the shader are written for. */
interface Tiles {
  readonly shape: AttentionShape;
  /** Variables of the tensors; no `rng` is without dropout. */
  readonly names: Record<
    "dOut" | "qkv" | "lse" | "rowDots" | "rng" | "start" | "kept",
    string
  >;
  readonly sequences: number;
}

/** WGSL: which tiles of queries and keys a workgroup has. */
function findTiles({ shape, names: { start } }: Tiles): string {
  const { B, T, H, Hkv, tiles } = shape;
  // Rows of a triangle, the short ones behind the outer ones, are a rectangle.
  const odd = tiles % 2, width = odd ? tiles : tiles + 1, even = 1 - odd;
  return `  let outer = work % ${pairs(shape)}u / ${width}u;
  let inner = work % ${pairs(shape)}u % ${width}u;
  let isShort = inner < outer + ${even}u;
  let queryTile = select(${tiles - 1}u - outer, outer - ${odd}u, isShort);
  let keyTile = select(inner - outer - ${even}u, inner, isShort);
  work /= ${pairs(shape)}u;
  let h = work % ${H}u;
  let hkv = h * ${Hkv}u / ${H}u;
  let sequence = work / ${H}u;
  let b = sequence${start ? ` + u32(${start}[0])` : ""};
  if (b >= ${B}u) { return; }
  let first = b * ${T}u;
  let fromQ = queryTile * ${OUTER_TILE}u;
  let fromK = keyTile * ${OUTER_TILE}u;
  let isDiagonal = queryTile == keyTile;
${lanePlace({ across: OUTER_SIDE, down: OUTER_SIDE, lanes: "block" })}`;
}

/** WGSL: the query of row `r` of a thread. */
function queryOf(r: number): string {
  return `fromQ + ${(r >> 2) * OUTER_TILE / 2 + r % 4}u + 4u * y`;
}

/** WGSL: the first key of vector `j` of a thread. */
function keyOf(j: number): string {
  return `fromK + ${j * OUTER_TILE / 2}u + 4u * x`;
}

/** WGSL: `p`, the probabilities of a thread's rows and columns. */
function probabilities({ shape, names: { qkv, lse } }: Tiles): string {
  const { T, H, D, D4, tiles } = shape;
  const { keys } = keyHeads(qkv, shape, "fromK");
  const queries = queryHeads(qkv, shape, "fromQ");
  // exp is exp2 of so much; the slopes are scaled with the gradients.
  const scale = f32(Math.LOG2E / Math.sqrt(D));
  const isWhole = T % OUTER_TILE === 0;
  return `${eachSum(2, (r, j) => `  var ${outerSum("p", r, j)} = vec4<f32>();`)}
${addOuterScores("p", { rows: queries, columns: keys, D4 })}
${
    lines(
      8,
      (r) =>
        `  let q${r} = ${queryOf(r)};
  let at${r} = (b * ${H}u + h) * ${T}u + ${
          isWhole ? `q${r}` : `min(q${r}, ${T - 1}u)`
        };
  let sum${r} = ${lse}[at${r}] * ${f32(Math.LOG2E)};`,
    )
  }
${
    eachSum(2, (r, j) => {
      const p = outerSum("p", r, j);
      return `  ${p} = exp2(${p} * ${scale} - sum${r});`;
    })
  }
  if (${isWhole ? "isDiagonal" : `isDiagonal || queryTile == ${tiles - 1}u`}) {
${
    lines(2, (j) =>
      `    let keys${j} = vec4<u32>(${keyOf(j)}) + vec4<u32>(0u, 1u, 2u, 3u);`)
  }
${
    eachSum(2, (r, j) => {
      const p = outerSum("p", r, j);
      const isRow = isWhole ? "" : ` & vec4<bool>(q${r} < ${T}u)`;
      return `    ${p} = select(vec4<f32>(), ${p}, keys${j} <= vec4<u32>(q${r})${isRow});`;
    })
  }
  }`;
}

/** WGSL that stores ds, and the probabilities with their dropout. */
function slopes({ shape, names, sequences }: Tiles): string {
  const { T, H, D4 } = shape;
  const { qkv, dOut, rowDots, rng, kept } = names;
  const { values } = keyHeads(qkv, shape, "fromK");
  const outs = outHeads(dOut, shape, "fromQ");
  const half = keptLength(shape, sequences) / 4;
  const tileAt = keptAt(shape, {
    sequence: "sequence",
    head: "h",
    queryTile: "queryTile",
    keyTile: "keyTile",
  });
  const dropout = (r: number, j: number) => {
    const first = `((b * ${H}u + h) * ${T}u + q${r}) * ${T}u + ${keyOf(j)}`;
    return `    let f${j} = ${dropoutVector(shape, first)};`;
  };
  const store = (r: number, j: number) => {
    const p = outerSum("p", r, j), g = outerSum("g", r, j);
    const inTile = `(q${r} - fromQ) * ${OUTER_QUADS}u`;
    const place = `at + ${inTile} + ${OUTER_SIDE * j}u`;
    const times = rng ? ` * f${j}` : "";
    return `${rng ? dropout(r, j) : ""}
    ${kept}[${place}] = ${p} * (${g}${times} - dots);
    ${kept}[${place} + ${half}u] = ${p}${times};`;
  };
  return `${eachSum(2, (r, j) => `  var ${outerSum("g", r, j)} = vec4<f32>();`)}
${addOuterScores("g", { rows: outs, columns: values, D4 })}
  let at = ${tileAt} + x;
${
    lines(8, (r) =>
      `  {
    let dots = ${rowDots}[at${r}];
${lines(2, (j) => store(r, j))}
  }`)
  }`;
}
