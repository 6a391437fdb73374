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
  TILE,
  TILE_THREADS,
  tileProducts,
} from "../attention_tile.ts";
import { bind, groupIndex, groups } from "../dispatch.ts";
import type { Kernels } from "../kernel.ts";
import { dropoutFunctions } from "../philox.ts";
import { entry, joined, lines } from "../wgsl.ts";

/** Kernel of attention. */
export const attentionKernels: Kernels<"attention"> = {
  attention({ in: read, out: write, attrs }) {
    const shape = attentionShape(attrs);
    const { B, T, H, Hkv, D, D4, tiles, chunks, chunkVectors } = shape;
    const { perThread, p, site } = shape;
    const vector = shape.vector ? ["qkv", "out"] : [];
    const { bindings, names } = bind({ read, write }, { vector });
    const { qkv, rng, out, lse } = names;
    const { width, query, key, value } = packed(attrs);
    const total = B * H * tiles * chunks;
    const each = (line: (r: number) => string) => lines(4, line);
    const outs = (line: (r: number, j: number) => string) =>
      lines(perThread, (j) => each((r) => line(r, j)));
    const code = `
${rng ? dropoutFunctions({ p, site, rng }) : ""}
${headLoader(qkv, shape)}
var<workgroup> rowParts: array<vec4<f32>, ${TILE_THREADS}>;
var<workgroup> probs: array<vec4<f32>, ${TILE * TILE / 4}>;
${
      entry(
        TILE_THREADS,
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
  let x = lane % 8u;
  let y = lane / 8u;
  let q = tile * ${TILE}u + 4u * y;
${
          each((r) =>
            `  let qAt${r} = (first + min(q + ${r}u, ${
              T - 1
            }u)) * ${width}u + ${query("h")};`
          )
        }
${
          lines(perThread, (j) =>
            `  let d${j} = min(chunk * ${chunkVectors}u + x + ${8 * j}u, ${
              D4 - 1
            }u);`)
        }
  var top = vec4<f32>(${MASKED});
  var sum = vec4<f32>();
${outs((r, j) => `  var o${r}_${j} = vec4<f32>();`)}
  for (var keyTile = 0u; keyTile <= tile; keyTile++) {
    let begin = keyTile * ${TILE}u;
    let k = begin + 4u * x;
    // 1. Scores, with later positions masked.
${
          each((c) =>
            `    let kAt${c} = (first + min(k + ${c}u, ${
              T - 1
            }u)) * ${width}u + ${key("hkv")};`
          )
        }
${each((r) => `    var s${r} = vec4<f32>();`)}
${
          tileProducts({
            name: "s",
            rows: { array: qkv, starts: "qAt" },
            columns: { array: qkv, starts: "kAt" },
            D4,
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
    rowParts[x * 8u + y] = vec4<f32>(
${
          joined(
            4,
            ",\n",
            (r) => `      max(max(s${r}.x, s${r}.y), max(s${r}.z, s${r}.w))`,
          )
        });
    workgroupBarrier();
    let before = top;
${lines(8, (j) => `    top = max(top, rowParts[${8 * j}u + y]);`)}
    let shrink = exp(before - top);
${each((r) => `    s${r} = exp(s${r} - top[${r}]);`)}
    sum = sum * shrink + vec4<f32>(
${joined(4, ", ", (r) => `dot(s${r}, vec4<f32>(1.0f))`)});
${
          rng
            ? dropoutTile(attrs, {
              element: (r) => `(work * ${T}u + q + ${r}u) * ${T}u + k`,
              across: 1,
            }) + "\n" + each((r) => `    s${r} *= f${r};`)
            : ""
        }
${
          each((c) =>
            `    probs[(4u * x + ${c}u) * 8u + y] = vec4<f32>(${
              joined(4, ", ", (r) => `s${r}[${c}]`)
            });`
          )
        }
    workgroupBarrier();
    // 3. Probabilities times values.
${outs((r, j) => `    o${r}_${j} *= shrink[${r}];`)}
    for (var j = 0u; j < ${TILE}u; j += 4u) {
${
          each((u) =>
            `{
      let p = probs[(j + ${u}u) * 8u + y];
      let at = (first + min(begin + j + ${u}u, ${T - 1}u)) * ${width}u + ${
              value("hkv")
            };
${lines(perThread, (j) => `      let v${j} = load_${qkv}(at, d${j});`)}
${
              outs((r, j) =>
                `      o${r}_${j} = fma(vec4<f32>(p[${r}]), v${j}, o${r}_${j});`
              )
            }
      }`
          )
        }
    }
  }
  // 4. Totals over the threads of a row, and the results.
  rowParts[x * 8u + y] = sum;
  workgroupBarrier();
  let all = ${joined(8, " + ", (j) => `rowParts[${8 * j}u + y]`)};
${
          each((r) =>
            `  if (q + ${r}u < ${T}u) {
    let at = (first + q + ${r}u) * ${H * D}u + h * ${D}u;
${
              lines(perThread, (j) =>
                `    if (x + ${
                  8 * j
                }u < ${chunkVectors}u && chunk * ${chunkVectors}u + x + ${
                  8 * j
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
