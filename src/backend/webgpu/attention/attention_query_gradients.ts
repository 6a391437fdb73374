/**
 * The gradient of attention's queries, a workgroup per tile of queries: from
 * scores that are computed again, or from ds where it was kept.
 *
 * Formulas: ../kernels/attention_backward.ts.
 *
 * @module
 */

import { bind, type Dispatch, type GpuTensor, groups } from "../dispatch.ts";
import type { KernelContext } from "../kernel.ts";
import { entry, joined, lines } from "../shader/wgsl.ts";
import {
  GRADIENT_LABEL,
  gradientDeclarations,
  type GradientTensors,
  slopeAt,
} from "./attention_gradients.ts";
import {
  headLoader,
  keyHeads,
  outHeads,
  packed,
  queryHeads,
  storeHead,
} from "./attention_heads.ts";
import { eachResult, queryPlace, storeRows } from "./attention_place.ts";
import {
  addHeads,
  addParts,
  addScores,
  keepScores,
  productMemory,
  quadOf,
} from "./attention_products.ts";
import {
  attentionFlops,
  type AttentionShape,
  dropoutTile,
  scoreScale,
} from "./attention_tile.ts";

/** What rows of tiles are here. */
const SIDE = "queries";

/** dq: rows of the tile are queries, columns are keys. */
export function queryGradients(
  tensors: GradientTensors,
  shape: AttentionShape,
  context: KernelContext,
): Dispatch {
  const { dQkv, slopes: _, ...read } = tensors;
  const { T, rows, quads } = shape;
  const { bindings, names } = bind(
    { read, write: { dQkv } },
    { vector: shape.vector ? ["dOut", "qkv", "dQkv"] : [] },
  );
  const { dOut, qkv, rng, lse, rowDots } = names;
  const scale = scoreScale(shape);
  const { keys, values } = keyHeads(qkv, shape, "begin");
  const queries = queryHeads(qkv, shape, "fromQ");
  const outs = outHeads(dOut, shape, "fromQ");
  const { workgroups, code: place } = queryPlace(shape);
  const code = gradientDeclarations(names, shape, context) +
    entry(
      shape.threads,
      `${place}
  let sequence = work * ${T}u;
${lines(rows, (r) => `  let q${r} = min(q + ${r}u, ${T - 1}u);`)}
${
        lines(quads, (quad) => {
          const ofRows = (array: string) =>
            `vec4<f32>(${
              joined(4, ", ", (r) => `${array}[sequence + q${4 * quad + r}]`)
            })`;
          return `  let sums${quad} = ${ofRows(lse)};
  let dots${quad} = ${ofRows(rowDots)};`;
        })
      }
${zeroQueries(shape)}
  for (var keyTile = 0u; keyTile <= tile; keyTile++) {
    let begin = keyTile * ${shape.tile}u;
    let k = begin + 4u * x;
${
        lines(rows, (r) =>
          `    var s${r} = vec4<f32>();
    var g${r} = vec4<f32>();`)
      }
${addScores("s", { rows: queries, columns: keys, side: SIDE, shape })}
${addScores("g", { rows: outs, columns: values, side: SIDE, shape })}
    let keys = vec4<u32>(k) + vec4<u32>(0u, 1u, 2u, 3u);
${
        rng
          ? dropoutTile(shape, {
            first: `(sequence + q) * ${T}u + k`,
            neighbours: "columns",
          })
          : ""
      }
${
        lines(rows, (r) =>
          `    let p${r} = select(vec4<f32>(), exp(s${r} * ${scale} - sums${
            r >> 2
          }[${r % 4}]),
      keys <= vec4<u32>(q${r}));
    let ds${r} = p${r} * (g${r}${rng ? ` * f${r}` : ""} - dots${r >> 2}[${
            r % 4
          }]) * ${scale};`)
      }
${keepScores(shape, (r, c) => `ds${r}[${c}]`)}
    workgroupBarrier();
${addHeads("dq", keys, { side: SIDE, shape })}
    workgroupBarrier();
  }
${addParts("dq", shape)}
${storeQueries(names.dQkv, shape)}`,
    );
  return {
    label: GRADIENT_LABEL,
    bindings,
    code,
    workgroups: groups(workgroups),
    flops: attentionFlops(shape, 3),
  };
}

/** dq by the slopes that were kept: one product in place of three. */
export function queryProducts(
  { slopes, qkv, dQkv }: Record<"slopes" | "qkv" | "dQkv", GpuTensor>,
  shape: AttentionShape,
): Dispatch {
  const { tile, rows, quads, threads } = shape;
  const { bindings, names } = bind(
    { read: { slopes, qkv }, write: { dQkv } },
    { vector: ["slopes", ...shape.vector ? ["qkv", "dQkv"] : []] },
  );
  const { keys } = keyHeads(names.qkv, shape, "begin");
  const { workgroups, code: place } = queryPlace(shape);
  const code = `
${headLoader(names.qkv, shape)}
${productMemory(shape)}
${
    entry(
      threads,
      `${place}
${zeroQueries(shape)}
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
${
        lines(
          rows,
          (r) =>
            `    probs[${r % 4}][${
              quadOf(quads, r >> 2)
            }][x] = ${names.slopes}[at + ${r * threads}u];`,
        )
      }
    workgroupBarrier();
${addHeads("dq", keys, { side: SIDE, shape })}
    workgroupBarrier();
  }
${addParts("dq", shape)}
${storeQueries(names.dQkv, shape)}`,
    )
  }`;
  return {
    label: GRADIENT_LABEL,
    bindings,
    code,
    workgroups: groups(workgroups),
    flops: attentionFlops(shape, 1),
  };
}

/** WGSL: the sums of the gradients of four queries, to begin with. */
function zeroQueries(shape: AttentionShape): string {
  return eachResult(shape, (r, j) => `  var dq${r}_${j} = vec4<f32>();`);
}

/** WGSL: stores these. */
function storeQueries(dQkv: string, shape: AttentionShape): string {
  const { width, query } = packed(shape);
  return storeRows(shape, {
    row: "q",
    before: (r) => `let at = (first + q + ${r}u) * ${width}u + ${query("h")};`,
    store: (r, j) =>
      storeHead(dQkv, {
        start: "at",
        d4: `d${j}`,
        value: `dq${r}_${j}`,
        shape,
      }),
  });
}
