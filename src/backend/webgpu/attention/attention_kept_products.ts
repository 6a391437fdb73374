/**
 * The gradients of attention's queries, keys and values from what is kept of
 * scores: three products, in one dispatch.
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
import { lanePlace } from "../shader/lanes.ts";
import { entry, lines } from "../shader/wgsl.ts";
import { GRADIENT_LABEL } from "./attention_gradients.ts";
import {
  headLoader,
  type Heads,
  keyHeads,
  outHeads,
  packed,
  queryHeads,
  storeHead,
} from "./attention_heads.ts";
import {
  addOuter,
  DEPTH,
  eachSum,
  OUTER_MEMORY,
  OUTER_QUADS,
  OUTER_SIDE,
  OUTER_THREADS,
  OUTER_TILE,
  outerSum,
  putTurned,
} from "./attention_outer.ts";
import { keptAt, keptLength, type KeptPart } from "./attention_slopes.ts";
import {
  attentionFlops,
  type AttentionShape,
  scoreScale,
} from "./attention_tile.ts";

/** Parts of a tile's depth. */
const SLICES = OUTER_TILE / DEPTH;

/**
 * A workgroup per tile of values, keys or queries, with the tiles of queries
 * behind it or of keys before it.
 */
export function keptProducts(
  { part: { sequences, start, kept }, dOut, qkv, dQkv }:
    & Record<"dOut" | "qkv" | "dQkv", GpuTensor>
    & { part: KeptPart },
  shape: AttentionShape,
): Dispatch {
  const { H, Hkv, tiles, chunks, chunkVectors } = shape;
  const { bindings, names } = bind(
    { read: { kept, dOut, qkv, start }, write: { dQkv } },
    { vector: ["kept", ...shape.vector ? ["dOut", "qkv", "dQkv"] : []] },
  );
  const group = H / Hkv, jobs = (2 + group) * tiles;
  const workgroups = sequences * Hkv * jobs * chunks;
  const vectors = Math.ceil(chunkVectors / OUTER_SIDE);
  const across = OUTER_SIDE * vectors;
  const cut: Cut = {
    ...{ shape, names, sequences, group, jobs, vectors, across },
    turns: DEPTH * across / OUTER_THREADS,
  };
  const code = `
${headLoader(names.qkv, shape)}
${names.dOut === names.qkv ? "" : headLoader(names.dOut, shape)}
${OUTER_MEMORY}
${
    entry(
      OUTER_THREADS,
      `
  var work = ${groupIndex(workgroups)};
  if (work >= ${workgroups}u) { return; }
${findWork(cut)}
${addProducts(cut)}
${storeResults(cut)}`,
    )
  }`;
  return {
    label: GRADIENT_LABEL,
    bindings,
    code,
    workgroups: groups(workgroups),
    flops: attentionFlops({ ...shape, B: sequences }, 3),
  };
}

/** How the products are cut. */
interface Cut {
  readonly shape: AttentionShape;
  /** Variables of the tensors. */
  readonly names: Record<"kept" | "dOut" | "qkv" | "start" | "dQkv", string>;
  readonly sequences: number;
  /** Heads of queries that share keys. */
  readonly group: number;
  /** Tiles of values, keys and queries, for one head of keys. */
  readonly jobs: number;
  /** Vectors of columns of a thread, and all threads' side by side. */
  readonly vectors: number;
  readonly across: number;
  /** Vectors of heads that each thread brings for a part of the depth. */
  readonly turns: number;
}

/** WGSL: which tile of what a workgroup makes, and which part of it a thread. */
function findWork(
  { shape, names, sequences, group, jobs, across }: Cut,
): string {
  const { B, T, Hkv, D4, tiles, chunks, chunkVectors } = shape;
  return `  let chunk = work % ${chunks}u;
  work /= ${chunks}u;
  let job = work % ${jobs}u;
  work /= ${jobs}u;
  let hkv = work % ${Hkv}u;
  let sequence = work / ${Hkv}u;
  let b = sequence${names.start ? ` + u32(${names.start}[0])` : ""};
  if (b >= ${B}u) { return; }
  let first = b * ${T}u;
  // 0: values, 1: keys, 2: queries; the tiles with most to do come first.
  let kind = min(job / ${tiles}u, 2u);
  let ofKeys = kind < 2u;
  let tile = select(${tiles - 1}u - job % ${tiles}u, job % ${tiles}u, ofKeys);
  let half = select(0u, ${keptLength(shape, sequences) / 4}u, kind == 0u);
  let steps = ${SLICES}u * select(tile + 1u, ${group}u * (${tiles}u - tile), ofKeys);
  let vector = min(chunk * ${chunkVectors}u + lane % ${across}u, ${D4 - 1}u);
${lanePlace({ across: OUTER_SIDE, down: OUTER_SIDE, lanes: "block" })}
  // On the diagonal, half of the depth is masked for the far rows.
  let near = y + select(${OUTER_SIDE}u, 0u, ofKeys);
  let far = y + select(0u, ${OUTER_SIDE}u, ofKeys);`;
}

/** WGSL: the sums, over all parts of the depth; the next is read ahead. */
function addProducts(cut: Cut): string {
  const { vectors, across, turns } = cut;
  return `${
    eachSum(vectors, (r, j) => `  var ${outerSum("c", r, j)} = vec4<f32>();`)
  }
${lines(4, (i) => `  var nextRow${i} = vec4<f32>();`)}
${lines(turns, (t) => `  var nextColumn${t} = vec4<f32>();`)}
  ${take("0u", cut)}
  for (var step = 0u; step < steps; step++) {
    if (ofKeys) {
${
    lines(4, (i) =>
      `      rowPart[lane / ${OUTER_QUADS}u + ${
        4 * i
      }u][lane % ${OUTER_QUADS}u] = nextRow${i};`)
  }
    } else {
${putTurned("rowPart", "nextRow")}
    }
${
    lines(turns, (t) =>
      `    columnPart[${inSlice(t, cut)}][lane % ${across}u] = nextColumn${t};`)
  }
    workgroupBarrier();
    let following = min(step + 1u, steps - 1u);
    ${take("following", cut)}
    let slice = step % ${SLICES}u;
    let turn = step / ${SLICES}u;
    ${tilesOf(cut)}
    if (queryTile != keyTile || (slice >= ${SLICES / 2}u) == ofKeys) {
${addOuter("c", { quads: ["near", "far"], vectors })}
    } else {
${addOuter("c", { quads: ["near"], vectors })}
    }
    workgroupBarrier();
  }`;
}

/** WGSL: the depth of vector `t` of a thread, within a part. */
function inSlice(t: number, { across }: Cut): string {
  return `(lane + ${t * OUTER_THREADS}u) / ${across}u`;
}

/**
 * WGSL: the tiles of queries and keys of a step. `turn` counts tiles of queries,
 * of all heads that share keys, or of keys.
 */
function tilesOf({ shape: { tiles }, group }: Cut): string {
  return `let h = ${
    group === 1
      ? "hkv"
      : `hkv * ${group}u + select(job / ${tiles}u - 2u, turn / (${tiles}u - tile), ofKeys)`
  };
      let queryTile = select(tile, tile + ${
    group === 1 ? "turn" : `turn % (${tiles}u - tile)`
  }, ofKeys);
      let keyTile = select(turn, tile, ofKeys);`;
}

/** WGSL: begins to read the part of number `step`. */
function take(step: string, cut: Cut): string {
  const { shape, names, turns } = cut;
  const { keys } = keyHeads(names.qkv, shape, "begin");
  const queries = queryHeads(names.qkv, shape, "begin");
  const outs = outHeads(names.dOut, shape, "begin");
  const load = ({ array, at }: Heads) =>
    lines(
      turns,
      (t) =>
        `      nextColumn${t} = load_${array}(${
          at(`(slice * ${DEPTH}u + ${inSlice(t, cut)})`)
        }, vector);`,
    );
  const tileAt = keptAt(shape, {
    sequence: "sequence",
    head: "h",
    queryTile: "queryTile",
    keyTile: "keyTile",
  });
  return `
    {
      let slice = ${step} % ${SLICES}u;
      let turn = ${step} / ${SLICES}u;
      ${tilesOf(cut)}
      let begin = select(keyTile, queryTile, ofKeys) * ${OUTER_TILE}u;
      let at = ${tileAt};
      if (ofKeys) {
        let begins = at + half + slice * ${DEPTH * OUTER_QUADS}u + lane;
${
    lines(4, (i) =>
      `        nextRow${i} = ${names.kept}[begins + ${i * OUTER_THREADS}u];`)
  }
      } else {
        let begins = at + ${
    4 * OUTER_QUADS
  }u * (lane % ${OUTER_QUADS}u) + slice * ${
    DEPTH / 4
  }u + lane / ${OUTER_QUADS}u;
${
    lines(4, (i) =>
      `        nextRow${i} = ${names.kept}[begins + ${i * OUTER_QUADS}u];`)
  }
      }
      if (kind == 0u) {
${load(outs)}
      } else if (kind == 1u) {
${load(queries)}
      } else {
${load(keys)}
      }
    }`;
}

/** WGSL: stores the sums as gradients of values, keys or queries. */
function storeResults({ shape, names, group, vectors }: Cut): string {
  const { T, D4, tiles, chunkVectors } = shape;
  const { width, query, key, value } = packed(shape);
  return `  let h = hkv * ${group}u + select(job / ${tiles}u - 2u, 0u, ofKeys);
  let scale = select(${scoreScale(shape)}, 1.0f, kind == 0u);
  let offset = select(select(${query("h")}, ${key("hkv")}, kind == 1u), ${
    value("hkv")
  }, kind == 0u);
${
    lines(8, (r) =>
      `  {
    let token = tile * ${OUTER_TILE}u + 4u * ${r < 4 ? "near" : "far"} + ${
        r % 4
      }u;
    let at = (first + token) * ${width}u + offset;
${
        lines(vectors, (j) => {
          const v = `x + ${OUTER_SIDE * j}u`;
          return `    if (token < ${T}u && ${v} < ${chunkVectors}u && chunk * ${chunkVectors}u + ${v} < ${D4}u) {
      let d4 = chunk * ${chunkVectors}u + ${v};
      ${
            storeHead(names.dQkv, {
              ...{ start: "at", d4: "d4", shape },
              value: `(${outerSum("c", r, j)} * scale)`,
            })
          }
    }`;
        })
      }
  }`)
  }`;
}
