/**
 * The gradient of causal attention in three dispatches, without atomics:
 * dot products of each row with its gradient; gradients of keys and values,
 * a workgroup per tile of keys; gradients of queries, one per tile of queries.
 *
 * With p the probabilities, f the dropout factors and y the output:
 * dv_j = sum_i p_ij f_ij dy_i;  ds_ij = p_ij (f_ij dy_i.v_j - dy_i.y_i);
 * dq_i = sum_j ds_ij k_j / sqrt(D);  dk_j = sum_i ds_ij q_i / sqrt(D).
 * The second dispatch keeps ds for the third where that is not too large;
 * else the third computes it again, by two more products and all exps.
 * Oracle: ../../reference/attention.ts.
 *
 * @module
 */

import {
  attentionFlops,
  type AttentionShape,
  attentionShape,
  dropoutTile,
  headLoader,
  packed,
  scoreScale,
  storeHead,
} from "../attention_tile.ts";
import {
  addHeads,
  addParts,
  addScores,
  type Heads,
  keepScores,
  productMemory,
} from "../attention_products.ts";
import {
  bind,
  type Dispatch,
  type GpuTensor,
  groupIndex,
  groups,
} from "../dispatch.ts";
import type { Kernels } from "../kernel.ts";
import { dropoutFunctions, siteTable } from "../philox.ts";
import { entry, joined, lines } from "../wgsl.ts";

const LABEL = "attentionBackward";

/** Most that is kept of ds: GPT-2 small with 8 sequences of 1024 needs 214 MB. */
export const MOST_KEPT_BYTES = 2 ** 28;

/** Kernel of attention's gradient. */
export const attentionBackwardKernels: Kernels<"attentionBackward"> = {
  attentionBackward({ in: inputs, out: { dQkv }, attrs }, context) {
    const { dOut, qkv, out, lse, rng } = inputs;
    const shape = attentionShape(attrs, context.attentionFlow);
    const { B, T, H, tile } = shape;
    const rowDots = context.scratch(B * H * T);
    const keptLength = B * H * pairs(shape) * tile * tile;
    const slopes = 4 * keptLength <= context.mostKeptBytes
      ? context.scratch(keptLength)
      : undefined;
    const site = rng && siteTable(attrs, context);
    const tensors = { dOut, qkv, lse, rng, site, rowDots, dQkv, slopes };
    return [
      dotRows({ dOut, out, rowDots }, shape),
      keyGradients(tensors, shape),
      slopes
        ? queryProducts({ slopes, qkv, dQkv }, shape)
        : queryGradients(tensors, shape),
    ];
  },
};

interface Tensors {
  readonly dOut: GpuTensor;
  readonly qkv: GpuTensor;
  readonly lse: GpuTensor;
  readonly rng?: GpuTensor;
  /** See `siteTable`. */
  readonly site?: GpuTensor;
  /** dOut . out of every row of every head, (B, H, T). */
  readonly rowDots: GpuTensor;
  readonly dQkv: GpuTensor;
  /** ds of every tile, (B, H, pairs, 4 rows, threads) vectors along queries. */
  readonly slopes?: GpuTensor;
}

/** Tiles of scores of a head: those on and below the diagonal. */
function pairs({ tiles }: AttentionShape): number {
  return tiles * (tiles + 1) / 2;
}

/** WGSL: where thread `lane` finds its first vector of a tile in `slopes`. */
function slopeAt(
  shape: AttentionShape,
  { head, queryTile, keyTile }: Record<
    "head" | "queryTile" | "keyTile",
    string
  >,
): string {
  const pair = `${queryTile} * (${queryTile} + 1u) / 2u + ${keyTile}`;
  return `(${head} * ${pairs(shape)}u + ${pair}) * ${
    4 * shape.threads
  }u + lane`;
}

function dotRows(
  { dOut, out, rowDots }: Record<"dOut" | "out" | "rowDots", GpuTensor>,
  shape: AttentionShape,
): Dispatch {
  const { B, T, H, D, D4, vector } = shape;
  const { bindings, names } = bind(
    { read: { dOut, out }, write: { rowDots } },
    { vector: vector ? ["dOut", "out"] : [] },
  );
  const n = B * T * H, count = Math.ceil(n / 64);
  const code = headLoader(names.dOut, shape) +
    (names.out === names.dOut ? "" : headLoader(names.out, shape)) + entry(
      64,
      `
  let i = ${groupIndex(count)} * 64u + lane;
  if (i >= ${n}u) { return; }
  let h = i % ${H}u;
  let row = i / ${H}u;
  var sum = 0.0f;
  for (var d4 = 0u; d4 < ${D4}u; d4++) {
    sum += dot(load_${names.dOut}(i * ${D}u, d4), load_${names.out}(i * ${D}u, d4));
  }
  ${names.rowDots}[(row / ${T}u * ${H}u + h) * ${T}u + row % ${T}u] = sum;`,
    );
  return { label: LABEL, bindings, code, workgroups: groups(count) };
}

/** dk and dv: rows of the tile are keys, columns are queries. */
function keyGradients(tensors: Tensors, shape: AttentionShape): Dispatch {
  const { dQkv, slopes, ...read } = tensors;
  const { B, T, H, Hkv, tiles, chunks, perThread, p } = shape;
  const { side, tile, threads } = shape;
  const { bindings, names } = bind(
    { read, write: { dQkv, slopes } },
    { vector: ["slopes", ...shape.vector ? ["dOut", "qkv", "dQkv"] : []] },
  );
  const { dOut, qkv, rng, lse, rowDots } = names;
  const { width, key, value } = packed(shape);
  const total = B * Hkv * tiles * chunks;
  const group = H / Hkv;
  const scale = scoreScale(shape);
  const { keys, values } = keyHeads(qkv, shape, "fromK");
  const { queries, outs } = queryHeads({ qkv, dOut }, shape, "begin");
  const code = `
${rng ? dropoutFunctions({ p, site: names.site, rng }) : ""}
${headLoader(qkv, shape)}
${dOut === qkv ? "" : headLoader(dOut, shape)}
${productMemory(shape)}
${
    entry(
      threads,
      `
  var work = ${groupIndex(total)};
  if (work >= ${total}u) { return; }
  let chunk = work % ${chunks}u;
  work /= ${chunks}u;
  let tile = work % ${tiles}u; // the first keys have most queries
  work /= ${tiles}u;
  let hkv = work % ${Hkv}u;
  let b = work / ${Hkv}u;
  let first = b * ${T}u;
  let x = lane % ${side}u;
  let y = lane / ${side}u;
  let fromK = tile * ${tile}u;
  let k = fromK + 4u * y;
${
        each((r) =>
          `  let row${r} = (first + min(k + ${r}u, ${T - 1}u)) * ${width}u;
  let kAt${r} = row${r} + ${key("hkv")};
  let vAt${r} = row${r} + ${value("hkv")};`
        )
      }
${vectors(shape)}
${
        results(shape, (r, j) =>
          `  var dk${r}_${j} = vec4<f32>();
  var dv${r}_${j} = vec4<f32>();`)
      }
  for (var turn = 0u; turn < ${group}u * (${tiles}u - tile); turn++) {
    let h = hkv * ${group}u + turn / (${tiles}u - tile);
    let queryTile = tile + turn % (${tiles}u - tile);
    let begin = queryTile * ${tile}u;
    let q = begin + 4u * x;
    let rows = (b * ${H}u + h) * ${T}u;
${each((c) => `    let q${c} = min(q + ${c}u, ${T - 1}u);`)}
${
        each((r) =>
          `    var s${r} = vec4<f32>();
    var g${r} = vec4<f32>();`
        )
      }
${addScores("s", { rows: keys, columns: queries, shape })}
${addScores("g", { rows: values, columns: outs, shape })}
    let queries = vec4<u32>(q) + vec4<u32>(0u, 1u, 2u, 3u);
    let sums = vec4<f32>(${joined(4, ", ", (c) => `${lse}[rows + q${c}]`)});
    let dots = vec4<f32>(${joined(4, ", ", (c) => `${rowDots}[rows + q${c}]`)});
    let inside = queries < vec4<u32>(${T}u);
${
        rng
          ? dropoutTile(shape, {
            element: (r) => `(rows + q) * ${T}u + k + ${r}u`,
            across: T,
          })
          : ""
      }
${
        each((r) =>
          `    let p${r} = select(vec4<f32>(), exp(s${r} * ${scale} - sums),
      inside & (vec4<u32>(k + ${r}u) <= queries));
    let ds${r} = p${r} * (g${r}${rng ? ` * f${r}` : ""} - dots) * ${scale};`
        )
      }
${
        slopes
          ? `${chunks > 1 ? "    if (chunk == 0u) " : "    "}{
      let at = ${
            slopeAt(shape, {
              head: `(b * ${H}u + h)`,
              queryTile: "queryTile",
              keyTile: "tile",
            })
          };
${each((r) => `      ${names.slopes}[at + ${r * threads}u] = ds${r};`)}
    }`
          : ""
      }
${keepScores((r, c) => `p${r}[${c}]${rng ? ` * f${r}[${c}]` : ""}`)}
    workgroupBarrier();
${addHeads("dv", outs, shape)}
    workgroupBarrier();
${keepScores((r, c) => `ds${r}[${c}]`)}
    workgroupBarrier();
${addHeads("dk", queries, shape)}
    workgroupBarrier();
  }
${addParts("dk", shape)}
${addParts("dv", shape)}
${
        each((r) =>
          `  if (k + ${r}u < ${T}u) {
${
            lines(perThread, (j) =>
              `    if (${hasVector(shape, j)}) {
      ${
                storeHead(names.dQkv, {
                  start: `kAt${r}`,
                  d4: `d${j}`,
                  value: `dk${r}_${j}`,
                  shape,
                })
              }
      ${
                storeHead(names.dQkv, {
                  start: `vAt${r}`,
                  d4: `d${j}`,
                  value: `dv${r}_${j}`,
                  shape,
                })
              }
    }`)
          }
  }`
        )
      }`,
    )
  }`;
  return {
    label: LABEL,
    bindings,
    code,
    workgroups: groups(total),
    flops: attentionFlops(shape, 4),
  };
}

/** dq: rows of the tile are queries, columns are keys. */
function queryGradients(tensors: Tensors, shape: AttentionShape): Dispatch {
  const { dQkv, slopes: _, ...read } = tensors;
  const { B, T, H, Hkv, tiles, chunks, p } = shape;
  const { side, tile, threads } = shape;
  const { bindings, names } = bind(
    { read, write: { dQkv } },
    { vector: shape.vector ? ["dOut", "qkv", "dQkv"] : [] },
  );
  const { dOut, qkv, rng, lse, rowDots } = names;
  const { width, query } = packed(shape);
  const total = B * H * tiles * chunks;
  const scale = scoreScale(shape);
  const { keys, values } = keyHeads(qkv, shape, "begin");
  const { queries, outs } = queryHeads({ qkv, dOut }, shape, "fromQ");
  const code = `
${rng ? dropoutFunctions({ p, site: names.site, rng }) : ""}
${headLoader(qkv, shape)}
${dOut === qkv ? "" : headLoader(dOut, shape)}
${productMemory(shape)}
${
    entry(
      threads,
      `
  var work = ${groupIndex(total)};
  if (work >= ${total}u) { return; }
  let chunk = work % ${chunks}u;
  work /= ${chunks}u;
  let tile = ${tiles - 1}u - work % ${tiles}u; // the longest first
  work /= ${tiles}u;
  let h = work % ${H}u;
  let first = work / ${H}u * ${T}u;
  let hkv = h * ${Hkv}u / ${H}u;
  let x = lane % ${side}u;
  let y = lane / ${side}u;
  let fromQ = tile * ${tile}u;
  let q = fromQ + 4u * y;
  let rows = work * ${T}u;
${
        each((r) =>
          `  let q${r} = min(q + ${r}u, ${T - 1}u);
  let qAt${r} = (first + q${r}) * ${width}u + ${query("h")};`
        )
      }
  let sums = vec4<f32>(${joined(4, ", ", (r) => `${lse}[rows + q${r}]`)});
  let dots = vec4<f32>(${joined(4, ", ", (r) => `${rowDots}[rows + q${r}]`)});
${vectors(shape)}
${results(shape, (r, j) => `  var dq${r}_${j} = vec4<f32>();`)}
  for (var keyTile = 0u; keyTile <= tile; keyTile++) {
    let begin = keyTile * ${tile}u;
    let k = begin + 4u * x;
${
        each((r) =>
          `    var s${r} = vec4<f32>();
    var g${r} = vec4<f32>();`
        )
      }
${addScores("s", { rows: queries, columns: keys, shape })}
${addScores("g", { rows: outs, columns: values, shape })}
    let keys = vec4<u32>(k) + vec4<u32>(0u, 1u, 2u, 3u);
${
        rng
          ? dropoutTile(shape, {
            element: (r) => `(rows + q + ${r}u) * ${T}u + k`,
            across: 1,
          })
          : ""
      }
${
        each((r) =>
          `    let p${r} = select(vec4<f32>(), exp(s${r} * ${scale} - sums[${r}]),
      keys <= vec4<u32>(q${r}));
    let ds${r} = p${r} * (g${r}${
            rng ? ` * f${r}` : ""
          } - dots[${r}]) * ${scale};`
        )
      }
${keepScores((r, c) => `ds${r}[${c}]`)}
    workgroupBarrier();
${addHeads("dq", keys, shape)}
    workgroupBarrier();
  }
${addParts("dq", shape)}
${storeQueries(names.dQkv, shape)}`,
    )
  }`;
  return {
    label: LABEL,
    bindings,
    code,
    workgroups: groups(total),
    flops: attentionFlops(shape, 3),
  };
}

/** dq by the slopes that were kept: one product in place of three. */
function queryProducts(
  { slopes, qkv, dQkv }: Record<"slopes" | "qkv" | "dQkv", GpuTensor>,
  shape: AttentionShape,
): Dispatch {
  const { B, T, H, Hkv, tiles, chunks, side, tile, threads } = shape;
  const { bindings, names } = bind(
    { read: { slopes, qkv }, write: { dQkv } },
    { vector: ["slopes", ...shape.vector ? ["qkv", "dQkv"] : []] },
  );
  const { width, query } = packed(shape);
  const total = B * H * tiles * chunks;
  const { keys } = keyHeads(names.qkv, shape, "begin");
  const code = `
${headLoader(names.qkv, shape)}
${productMemory(shape)}
${
    entry(
      threads,
      `
  var work = ${groupIndex(total)};
  if (work >= ${total}u) { return; }
  let chunk = work % ${chunks}u;
  work /= ${chunks}u;
  let tile = ${tiles - 1}u - work % ${tiles}u; // the longest first
  work /= ${tiles}u;
  let h = work % ${H}u;
  let first = work / ${H}u * ${T}u;
  let hkv = h * ${Hkv}u / ${H}u;
  let x = lane % ${side}u;
  let y = lane / ${side}u;
  let q = tile * ${tile}u + 4u * y;
${
        each((r) =>
          `  let qAt${r} = (first + min(q + ${r}u, ${T - 1}u)) * ${width}u + ${
            query("h")
          };`
        )
      }
${vectors(shape)}
${results(shape, (r, j) => `  var dq${r}_${j} = vec4<f32>();`)}
  for (var keyTile = 0u; keyTile <= tile; keyTile++) {
    let begin = keyTile * ${tile}u;
    let at = ${
        slopeAt(shape, {
          head: "work",
          queryTile: "tile",
          keyTile: "keyTile",
        })
      };
    // Kept by rows of keys: thread (x, y) has columns of query group x.
${each((r) => `    probs[${r}][y][x] = ${names.slopes}[at + ${r * threads}u];`)}
    workgroupBarrier();
${addHeads("dq", keys, shape)}
    workgroupBarrier();
  }
${addParts("dq", shape)}
${storeQueries(names.dQkv, shape)}`,
    )
  }`;
  return {
    label: LABEL,
    bindings,
    code,
    workgroups: groups(total),
    flops: attentionFlops(shape, 1),
  };
}

/** WGSL: stores the gradients of four queries. */
function storeQueries(dQkv: string, shape: AttentionShape): string {
  const { T, perThread } = shape;
  return each((r) =>
    `  if (q + ${r}u < ${T}u) {
${
      lines(perThread, (j) =>
        `    if (${hasVector(shape, j)}) {
      ${
          storeHead(dQkv, {
            start: `qAt${r}`,
            d4: `d${j}`,
            value: `dq${r}_${j}`,
            shape,
          })
        }
    }`)
    }
  }`
  );
}

/** Keys and values of the tile that begins at row `begin` of a sequence. */
function keyHeads(
  qkv: string,
  shape: AttentionShape,
  begin: string,
): { keys: Heads; values: Heads } {
  const { width, key, value } = packed(shape);
  const row = (o: string) =>
    `(first + min(${begin} + ${o}, ${shape.T - 1}u)) * ${width}u`;
  return {
    keys: { array: qkv, at: (o) => `${row(o)} + ${key("hkv")}` },
    values: { array: qkv, at: (o) => `${row(o)} + ${value("hkv")}` },
  };
}

/** Queries and gradients of the output of such a tile. */
function queryHeads(
  { qkv, dOut }: { qkv: string; dOut: string },
  shape: AttentionShape,
  begin: string,
): { queries: Heads; outs: Heads } {
  const { T, H, D } = shape;
  const { width, query } = packed(shape);
  const row = (o: string) => `(first + min(${begin} + ${o}, ${T - 1}u))`;
  return {
    queries: {
      array: qkv,
      at: (o) => `${row(o)} * ${width}u + ${query("h")}`,
    },
    outs: {
      array: dOut,
      at: (o) => `(${row(o)} * ${H}u + h) * ${D}u`,
    },
  };
}

function each(line: (r: number) => string): string {
  return lines(4, line);
}

/** A line for each row and each vector of this thread. */
function results(
  { perThread }: AttentionShape,
  line: (r: number, j: number) => string,
): string {
  return lines(perThread, (j) => each((r) => line(r, j)));
}

/** The numbers of this thread's vectors of the head; see `hasVector`. */
function vectors(
  { perThread, chunkVectors, D4, side }: AttentionShape,
): string {
  return lines(
    perThread,
    (j) =>
      `  let d${j} = min(chunk * ${chunkVectors}u + x + ${side * j}u, ${
        D4 - 1
      }u);`,
  );
}

/** Whether vector j of this thread is one, and no repetition of the last. */
function hasVector(
  { chunkVectors, D4, side }: AttentionShape,
  j: number,
): string {
  return `x + ${side * j}u < ${chunkVectors}u && ` +
    `chunk * ${chunkVectors}u + x + ${side * j}u < ${D4}u`;
}
