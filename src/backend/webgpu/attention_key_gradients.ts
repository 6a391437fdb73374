/**
 * The gradients of attention's keys and values, a workgroup per tile of keys.
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
import { bind, type Dispatch, groupIndex, groups } from "./dispatch.ts";
import { dropoutFunctions } from "./philox.ts";
import { entry, joined, lines } from "./wgsl.ts";

/** dk and dv: rows of the tile are keys, columns are queries. */
export function keyGradients(
  tensors: GradientTensors,
  shape: AttentionShape,
): Dispatch {
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
            first: `(rows + q) * ${T}u + k`,
            neighbours: "rows",
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
