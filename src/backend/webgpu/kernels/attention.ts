/**
 * Causal attention, forward: softmax of tiles as they come (Dao et al. 2022,
 * https://arxiv.org/abs/2205.14135), and only the log-sum-exp is kept.
 *
 * Oracle: ../../reference/attention.ts.
 *
 * @module
 */

import {
  attentionFlops,
  attentionShape,
  dropoutTile,
  headLoader,
  MASKED,
  packed,
  scoreScale,
  storeHead,
} from "../attention_tile.ts";
import {
  addHeads,
  addParts,
  addScores,
  keepScores,
  productMemory,
} from "../attention_products.ts";
import { bind, groupIndex, groups } from "../dispatch.ts";
import type { Kernels } from "../kernel.ts";
import { dropoutFunctions, siteTable } from "../philox.ts";
import { entry, joined, lines } from "../wgsl.ts";

/** Kernel of attention. */
export const attentionKernels: Kernels<"attention"> = {
  attention({ in: inputs, out: write, attrs }, context) {
    const site = inputs.rng && siteTable(attrs, context);
    const read = { ...inputs, site };
    const shape = attentionShape(attrs, context.attentionFlow);
    const { B, T, H, Hkv, D, D4, tiles, chunks, chunkVectors } = shape;
    const { perThread, p, side, tile, threads } = shape;
    const vector = shape.vector ? ["qkv", "out"] : [];
    const { bindings, names } = bind({ read, write }, { vector });
    const { qkv, rng, out, lse } = names;
    const { width, query, key, value } = packed(attrs);
    const total = B * H * tiles * chunks;
    /** Where row `t` of the sequence begins; past the end it is the last. */
    const row = (t: string) => `(first + min(${t}, ${T - 1}u)) * ${width}u`;
    const each = (line: (r: number) => string) => lines(4, line);
    const outs = (line: (r: number, j: number) => string) =>
      lines(perThread, (j) => each((r) => line(r, j)));
    const code = `
${rng ? dropoutFunctions({ p, site: names.site, rng }) : ""}
${headLoader(qkv, shape)}
var<workgroup> rowParts: array<array<vec4<f32>, ${side}>, ${side}>;
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
  let first = work / ${H}u * ${T}u; // row of the sequence
  let hkv = h * ${Hkv}u / ${H}u;
  let x = lane % ${side}u;
  let y = lane / ${side}u;
  let fromQ = tile * ${tile}u;
  let q = fromQ + 4u * y;
${
          lines(perThread, (j) =>
            `  let d${j} = min(chunk * ${chunkVectors}u + x + ${side * j}u, ${
              D4 - 1
            }u);`)
        }
  var top = vec4<f32>(${MASKED});
  var sum = vec4<f32>();
${outs((r, j) => `  var o${r}_${j} = vec4<f32>();`)}
  for (var keyTile = 0u; keyTile <= tile; keyTile++) {
    let begin = keyTile * ${tile}u;
    let k = begin + 4u * x;
    // 1. Scores, with later positions masked.
${each((r) => `    var s${r} = vec4<f32>();`)}
${
          addScores("s", {
            rows: {
              array: qkv,
              at: (o) => `${row(`fromQ + ${o}`)} + ${query("h")}`,
            },
            columns: {
              array: qkv,
              at: (o) => `${row(`begin + ${o}`)} + ${key("hkv")}`,
            },
            shape,
          })
        }
    let keys = vec4<u32>(k) + vec4<u32>(0u, 1u, 2u, 3u);
${
          each((r) =>
            `    s${r} = select(vec4<f32>(${MASKED}), s${r} * ${
              scoreScale(attrs)
            }, keys <= vec4<u32>(q + ${r}u));`
          )
        }
    // 2. The largest of each row so far; what was summed is scaled to it.
    rowParts[x][y] = vec4<f32>(
${
          joined(
            4,
            ",\n",
            (r) => `      max(max(s${r}.x, s${r}.y), max(s${r}.z, s${r}.w))`,
          )
        });
    workgroupBarrier();
    let before = top;
${lines(side, (j) => `    top = max(top, rowParts[${j}][y]);`)}
    let shrink = exp(before - top);
${each((r) => `    s${r} = exp(s${r} - top[${r}]);`)}
    sum = sum * shrink + vec4<f32>(
${joined(4, ", ", (r) => `dot(s${r}, vec4<f32>(1.0f))`)});
${
          rng
            ? dropoutTile(attrs, {
              first: `(work * ${T}u + q) * ${T}u + k`,
              neighbours: "columns",
            }) + "\n" + each((r) => `    s${r} *= f${r};`)
            : ""
        }
${keepScores((r, c) => `s${r}[${c}]`)}
    workgroupBarrier();
    // 3. Probabilities times values.
${outs((r, j) => `    o${r}_${j} *= shrink[${r}];`)}
${
          addHeads("o", {
            array: qkv,
            at: (o) => `${row(`begin + ${o}`)} + ${value("hkv")}`,
          }, shape)
        }
  }
  // 4. Totals over the threads of a row, and the results.
${addParts("o", shape)}
  rowParts[x][y] = sum;
  workgroupBarrier();
  let all = ${joined(side, " + ", (j) => `rowParts[${j}][y]`)};
${
          each((r) =>
            `  if (q + ${r}u < ${T}u) {
    let at = (first + q + ${r}u) * ${H * D}u + h * ${D}u;
${
              lines(perThread, (j) =>
                `    if (x + ${
                  side * j
                }u < ${chunkVectors}u && chunk * ${chunkVectors}u + x + ${
                  side * j
                }u < ${D4}u) {
      let y${j} = o${r}_${j} / all[${r}];
      ${
                  storeHead(out, {
                    start: "at",
                    d4: `d${j}`,
                    value: `y${j}`,
                    shape,
                  })
                }
    }`)
            }
    if (x == 0u && chunk == 0u) {
      ${lse}[work * ${T}u + q + ${r}u] = top[${r}] + log(all[${r}]);
    }
  }`
          )
        }`,
      )
    }`;
    return [{
      label: "attention",
      bindings,
      code,
      workgroups: groups(total),
      flops: attentionFlops(attrs, 2),
    }];
  },
};
