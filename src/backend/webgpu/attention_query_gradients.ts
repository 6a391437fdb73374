/**
 * The gradient of attention's queries, a workgroup per tile of queries: from
 * scores that are computed again, or from ds where it was kept.
 *
 * Formulas: kernels/attention_backward.ts.
 *
 * @module
 */

import {
  attentionFlops,
  type AttentionShape,
  dropoutTile,
  headLoader,
  packed,
  scoreScale,
  storeHead,
} from "./attention_tile.ts";
import {
  each,
  type GradientTensors,
  hasVector,
  keyHeads,
  LABEL,
  queryHeads,
  results,
  slopeAt,
  vectors,
} from "./attention_gradients.ts";
import {
  addHeads,
  addParts,
  addScores,
  keepScores,
  productMemory,
} from "./attention_products.ts";
import {
  bind,
  type Dispatch,
  type GpuTensor,
  groupIndex,
  groups,
} from "./dispatch.ts";
import { dropoutFunctions } from "./philox.ts";
import { entry, joined, lines } from "./wgsl.ts";

/** dq: rows of the tile are queries, columns are keys. */
export function queryGradients(
  tensors: GradientTensors,
  shape: AttentionShape,
): Dispatch {
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
            first: `(rows + q) * ${T}u + k`,
            neighbours: "columns",
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
export function queryProducts(
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
