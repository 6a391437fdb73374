/**
 * Causal attention, forward: softmax of tiles as they come (Dao et al. 2022,
 * https://arxiv.org/abs/2205.14135), and only the log-sum-exp is kept.
 *
 * Oracle: ../../reference/attention.ts.
 *
 * @module
 */

import {
  headLoader,
  keyHeads,
  queryHeads,
  storeHead,
} from "../attention/attention_heads.ts";
import {
  eachResult,
  queryPlace,
  storeRows,
} from "../attention/attention_place.ts";
import {
  addHeads,
  addParts,
  addScores,
  keepScores,
  productMemory,
  quadOf,
} from "../attention/attention_products.ts";
import {
  attentionFlops,
  attentionShape,
  dropoutTile,
  MASKED,
  scoreScale,
} from "../attention/attention_tile.ts";
import { bind, groups } from "../dispatch.ts";
import type { Kernels } from "../kernel.ts";
import { dropoutFunctions, siteTable } from "../philox.ts";
import { entry, joined, lines } from "../wgsl.ts";

/** Kernel of attention. */
export const attentionKernels: Kernels<"attention"> = {
  attention({ in: inputs, out: write, attrs }, context) {
    const site = inputs.rng && siteTable(attrs, context);
    const read = { ...inputs, site };
    const shape = attentionShape(
      attrs,
      context.attention("attention", attrs).flow,
    );
    const { T, H, D, p, tile, rows, quads, threads } = shape;
    const side = "queries";
    const vector = shape.vector ? ["qkv", "out"] : [];
    const { bindings, names } = bind({ read, write }, { vector });
    const { qkv, rng, out, lse } = names;
    const queries = queryHeads(qkv, shape, "fromQ");
    const { keys, values } = keyHeads(qkv, shape, "begin");
    const { workgroups, code: place } = queryPlace(shape);
    const code = `
${rng ? dropoutFunctions({ p, site: names.site, rng }, context) : ""}
${headLoader(qkv, shape)}
${productMemory(shape)}
${
      entry(
        threads,
        `${place}
${
          lines(quads, (quad) =>
            `  var top${quad} = vec4<f32>(${MASKED});
  var sum${quad} = vec4<f32>();`)
        }
${eachResult(shape, (r, j) => `  var o${r}_${j} = vec4<f32>();`)}
  for (var keyTile = 0u; keyTile <= tile; keyTile++) {
    let begin = keyTile * ${tile}u;
    let k = begin + 4u * x;
    // 1. Scores, with later positions masked.
${lines(rows, (r) => `    var s${r} = vec4<f32>();`)}
${addScores("s", { rows: queries, columns: keys, side, shape })}
    let keys = vec4<u32>(k) + vec4<u32>(0u, 1u, 2u, 3u);
${
          lines(rows, (r) =>
            `    s${r} = select(vec4<f32>(${MASKED}), s${r} * ${
              scoreScale(attrs)
            }, keys <= vec4<u32>(q + ${r}u));`)
        }
    // 2. The largest of each row so far; what was summed is scaled to it.
${
          lines(quads, (quad) =>
            `    keyHeads[x][${quadOf(quads, quad)}] = vec4<f32>(
${
              joined(4, ",\n", (i) => {
                const s = `s${4 * quad + i}`;
                return `      max(max(${s}.x, ${s}.y), max(${s}.z, ${s}.w))`;
              })
            });`)
        }
    workgroupBarrier();
${
          lines(quads, (quad) =>
            `    let before${quad} = top${quad};
${
              lines(shape.side, (j) =>
                `    top${quad} = max(top${quad}, keyHeads[${j}][${
                  quadOf(quads, quad)
                }]);`)
            }
    let shrink${quad} = exp(before${quad} - top${quad});`)
        }
${lines(rows, (r) => `    s${r} = exp(s${r} - top${r >> 2}[${r % 4}]);`)}
${
          lines(quads, (quad) =>
            `    sum${quad} = sum${quad} * shrink${quad} + vec4<f32>(
${
              joined(4, ", ", (i) => `dot(s${4 * quad + i}, vec4<f32>(1.0f))`)
            });`)
        }
${
          rng
            ? dropoutTile(shape, {
              first: `(work * ${T}u + q) * ${T}u + k`,
              neighbours: "columns",
            }) + "\n" + lines(rows, (r) => `    s${r} *= f${r};`)
            : ""
        }
${keepScores(shape, (r, c) => `s${r}[${c}]`)}
    workgroupBarrier();
    // 3. Probabilities times values.
${eachResult(shape, (r, j) => `    o${r}_${j} *= shrink${r >> 2}[${r % 4}];`)}
${addHeads("o", values, { side, shape })}
  }
  // 4. Totals over the threads of a row, and the results.
${addParts("o", shape)}
  workgroupBarrier();
${lines(quads, (quad) => `  keyHeads[x][${quadOf(quads, quad)}] = sum${quad};`)}
  workgroupBarrier();
${
          lines(quads, (quad) =>
            `  let all${quad} = ${
              joined(
                shape.side,
                " + ",
                (j) => `keyHeads[${j}][${quadOf(quads, quad)}]`,
              )
            };`)
        }
${
          storeRows(shape, {
            row: "q",
            before: (r) =>
              `let at = (first + q + ${r}u) * ${H * D}u + h * ${D}u;`,
            store: (r, j) =>
              `let y${j} = o${r}_${j} / all${r >> 2}[${r % 4}];
      ${
                storeHead(out, {
                  start: "at",
                  d4: `d${j}`,
                  value: `y${j}`,
                  shape,
                })
              }`,
            after: (r) =>
              `if (x == 0u && chunk == 0u) {
      ${lse}[work * ${T}u + q + ${r}u] = top${r >> 2}[${r % 4}] + log(all${
                r >> 2
              }[${r % 4}]);
    }`,
          })
        }`,
      )
    }`;
    return [{
      label: "attention",
      bindings,
      code,
      workgroups: groups(workgroups),
      flops: attentionFlops(attrs, 2),
    }];
  },
};
