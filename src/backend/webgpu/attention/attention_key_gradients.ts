/**
 * The gradients of attention's keys and values, a workgroup per tile of keys.
 *
 * Formulas: ../kernels/attention_backward.ts.
 *
 * @module
 */

import { bind, type Dispatch, groups } from "../dispatch.ts";
import type { KernelContext } from "../kernel.ts";
import { entry, joined, lines } from "../shader/wgsl.ts";
import {
  GRADIENT_LABEL,
  gradientDeclarations,
  type GradientTensors,
  slopeAt,
} from "./attention_gradients.ts";
import {
  keyHeads,
  outHeads,
  packed,
  queryHeads,
  storeHead,
} from "./attention_heads.ts";
import { eachResult, keyPlace, storeRows } from "./attention_place.ts";
import {
  addHeads,
  addParts,
  addScores,
  keepScores,
} from "./attention_products.ts";
import {
  attentionFlops,
  type AttentionShape,
  dropoutTile,
  scoreScale,
} from "./attention_tile.ts";

/** dk and dv: rows of the tile are keys, columns are queries. */
export function keyGradients(
  tensors: GradientTensors,
  shape: AttentionShape,
  context: KernelContext,
): Dispatch {
  const { dQkv, slopes, ...read } = tensors;
  const { T, H, Hkv, tiles, chunks, tile, rows, threads } = shape;
  const { bindings, names } = bind(
    { read, write: { dQkv, slopes } },
    { vector: ["slopes", ...shape.vector ? ["dOut", "qkv", "dQkv"] : []] },
  );
  const { dOut, qkv, rng, lse, rowDots } = names;
  const { width, key, value } = packed(shape);
  const group = H / Hkv;
  const side = "keys";
  const scale = scoreScale(shape);
  const { keys, values } = keyHeads(qkv, shape, "fromK");
  const queries = queryHeads(qkv, shape, "begin");
  const outs = outHeads(dOut, shape, "begin");
  const { workgroups, code: place } = keyPlace(shape);
  const code = gradientDeclarations(names, shape, context) +
    entry(
      threads,
      `${place}
${
        eachResult(shape, (r, j) =>
          `  var dk${r}_${j} = vec4<f32>();
  var dv${r}_${j} = vec4<f32>();`)
      }
  for (var turn = 0u; turn < ${group}u * (${tiles}u - tile); turn++) {
    let h = hkv * ${group}u + turn / (${tiles}u - tile);
    let queryTile = tile + turn % (${tiles}u - tile);
    let begin = queryTile * ${tile}u;
    let q = begin + 4u * x;
    let sequence = (b * ${H}u + h) * ${T}u;
${lines(4, (c) => `    let q${c} = min(q + ${c}u, ${T - 1}u);`)}
${
        lines(rows, (r) =>
          `    var s${r} = vec4<f32>();
    var g${r} = vec4<f32>();`)
      }
${addScores("s", { rows: keys, columns: queries, side, shape })}
${addScores("g", { rows: values, columns: outs, side, shape })}
    let queries = vec4<u32>(q) + vec4<u32>(0u, 1u, 2u, 3u);
    let sums = vec4<f32>(${joined(4, ", ", (c) => `${lse}[sequence + q${c}]`)});
    let dots = vec4<f32>(${
        joined(4, ", ", (c) => `${rowDots}[sequence + q${c}]`)
      });
    let inside = queries < vec4<u32>(${T}u);
${
        rng
          ? dropoutTile(shape, {
            first: `(sequence + q) * ${T}u + k`,
            neighbours: "rows",
          })
          : ""
      }
${
        lines(rows, (r) =>
          `    let p${r} = select(vec4<f32>(), exp(s${r} * ${scale} - sums),
      inside & (vec4<u32>(k + ${r}u) <= queries));
    let ds${r} = p${r} * (g${r}${rng ? ` * f${r}` : ""} - dots) * ${scale};`)
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
${lines(rows, (r) => `      ${names.slopes}[at + ${r * threads}u] = ds${r};`)}
    }`
          : ""
      }
${keepScores(shape, (r, c) => `p${r}[${c}]${rng ? ` * f${r}[${c}]` : ""}`)}
    workgroupBarrier();
${addHeads("dv", outs, { side, shape })}
    workgroupBarrier();
${keepScores(shape, (r, c) => `ds${r}[${c}]`)}
    workgroupBarrier();
${addHeads("dk", queries, { side, shape })}
    workgroupBarrier();
  }
${addParts("dk", shape)}
${addParts("dv", shape)}
${
        storeRows(shape, {
          row: "k",
          before: (r) =>
            `let row = (first + k + ${r}u) * ${width}u;
    let atKey = row + ${key("hkv")};
    let atValue = row + ${value("hkv")};`,
          store: (r, j) => {
            const store = (start: string, value: string) =>
              storeHead(names.dQkv, { start, d4: `d${j}`, value, shape });
            return `${store("atKey", `dk${r}_${j}`)}
      ${store("atValue", `dv${r}_${j}`)}`;
          },
        })
      }`,
    );
  return {
    label: GRADIENT_LABEL,
    bindings,
    code,
    workgroups: groups(workgroups),
    flops: attentionFlops(shape, 4),
  };
}
