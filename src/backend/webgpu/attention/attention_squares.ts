/**
 * Attention forward by squares of 8 x 8 per thread: a workgroup of 64 threads
 * per tile of 64 queries.
 *
 * Formulas: ../kernels/attention.ts. Powers are of 2, and what they are taken
 * of is scaled by log2(e).
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
import { lanePlace } from "../lanes.ts";
import { dropoutFunctions } from "../philox.ts";
import { entry, f32, joined, lines } from "../wgsl.ts";
import {
  headLoader,
  keyHeads,
  queryHeads,
  storeHead,
} from "./attention_heads.ts";
import {
  addOuter,
  addOuterScores,
  DEPTH,
  eachSum,
  OUTER_MEMORY,
  OUTER_PLACES,
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
  MASKED,
} from "./attention_tile.ts";

/** Parts of a tile's keys: part c has key 4 x + c of each thread x, twice. */
const PARTS = OUTER_TILE / DEPTH;

/**
 * WGSL: workgroup memory. Of probabilities it has two more vectors than needed,
 * so that neighbours write to other banks.
 */
export const SQUARE_MEMORY = `${OUTER_MEMORY}
var<workgroup> probs: array<array<array<vec4<f32>, ${
  OUTER_QUADS + 2
}>, ${DEPTH}>, ${PARTS}>;
`;

/** Outputs and the logarithms of sums. */
export function squareAttention(
  { out, lse, ...read }:
    & Record<"qkv" | "out" | "lse", GpuTensor>
    & { rng?: GpuTensor; site?: GpuTensor },
  shape: AttentionShape,
  context: KernelContext,
): Dispatch {
  const { B, T, H, Hkv, D, D4, tiles, chunks, chunkVectors } = shape;
  const { bindings, names } = bind(
    { read, write: { out, lse } },
    { vector: shape.vector ? ["qkv", "out"] : [] },
  );
  const { qkv, rng } = names;
  const vectors = Math.ceil(chunkVectors / OUTER_SIDE);
  const across = OUTER_SIDE * vectors, turns = DEPTH * across / OUTER_THREADS;
  const workgroups = B * H * tiles * chunks;
  const { keys, values } = keyHeads(qkv, shape, "fromK");
  const queries = queryHeads(qkv, shape, "fromQ");
  const s = (r: number, j: number) => outerSum("s", r, j);
  const o = (r: number, j: number) => outerSum("o", r, j);
  /** Number i of a vector of the thread's row r. */
  const ofRow = (name: string, r: number) => `${name}${r >> 2}[${r % 4}]`;
  const bothQuads = (line: (quad: number) => string) => lines(2, line);
  const row = (r: number) => `q + ${(r >> 2) * OUTER_TILE / 2 + r % 4}u`;
  const column = (j: number) => `k + ${j * OUTER_TILE / 2}u`;
  const inPart = (t: number) => `(lane + ${t * OUTER_THREADS}u) / ${across}u`;
  const take = (part: string) =>
    lines(turns, (t) => {
      const u = inPart(t);
      const key = `4u * (${u} % ${OUTER_SIDE}u) + ${part} + ${
        OUTER_TILE / 2
      }u * (${u} / ${OUTER_SIDE}u)`;
      return `      next${t} = load_${values.array}(${
        values.at(`(${key})`)
      }, vector);`;
    });
  /** Of all threads of a row, in their order. */
  const ofThread = (quad: number) => (j: number) =>
    `rowPart[${j}][${OUTER_PLACES[quad]}]`;
  const code = `
${rng ? dropoutFunctions({ p: shape.p, site: names.site, rng }, context) : ""}
${headLoader(qkv, shape)}
${SQUARE_MEMORY}
${
    entry(
      OUTER_THREADS,
      `
  var work = ${groupIndex(workgroups)};
  if (work >= ${workgroups}u) { return; }
  let chunk = work % ${chunks}u;
  work /= ${chunks}u;
  let tile = ${tiles - 1}u - work % ${tiles}u; // the longest first
  work /= ${tiles}u;
  let h = work % ${H}u;
  let hkv = h * ${Hkv}u / ${H}u;
  let first = work / ${H}u * ${T}u;
  let fromQ = tile * ${OUTER_TILE}u;
  let vector = min(chunk * ${chunkVectors}u + lane % ${across}u, ${D4 - 1}u);
${lanePlace({ across: OUTER_SIDE, down: OUTER_SIDE, lanes: "block" })}
  let q = fromQ + 4u * y;
${
        bothQuads((quad) =>
          `  var top${quad} = vec4<f32>(${MASKED});
  var sum${quad} = vec4<f32>();`
        )
      }
${eachSum(vectors, (r, j) => `  var ${o(r, j)} = vec4<f32>();`)}
${lines(turns, (t) => `  var next${t} = vec4<f32>();`)}
  for (var keyTile = 0u; keyTile <= tile; keyTile++) {
    let fromK = keyTile * ${OUTER_TILE}u;
    let k = fromK + 4u * x;
    let isDiagonal = keyTile == tile;
    // 1. Scores, with later positions masked.
${eachSum(2, (r, j) => `    var ${s(r, j)} = vec4<f32>();`)}
${addOuterScores("s", { rows: queries, columns: keys, D4 })}
${eachSum(2, (r, j) => `    ${s(r, j)} *= ${f32(Math.LOG2E / Math.sqrt(D))};`)}
    if (isDiagonal) {
${
        lines(2, (j) =>
          `      let keys${j} = vec4<u32>(${
            column(j)
          }) + vec4<u32>(0u, 1u, 2u, 3u);`)
      }
${
        eachSum(2, (r, j) =>
          `      ${s(r, j)} = select(vec4<f32>(${MASKED}), ${
            s(r, j)
          }, keys${j} <= vec4<u32>(${row(r)}));`)
      }
    }
    // 2. The largest of each row so far; what was summed is scaled to it.
${
        bothQuads((quad) =>
          `    rowPart[x][${OUTER_PLACES[quad]}] = vec4<f32>(
${
            joined(4, ",\n", (i) => {
              const r = 4 * quad + i;
              return `      max(max(max(${s(r, 0)}.x, ${s(r, 0)}.y), max(${
                s(r, 0)
              }.z, ${s(r, 0)}.w)), max(max(${s(r, 1)}.x, ${s(r, 1)}.y), max(${
                s(r, 1)
              }.z, ${s(r, 1)}.w)))`;
            })
          });`
        )
      }
    workgroupBarrier();
${take("0u")}
${
        bothQuads((quad) =>
          `    let before${quad} = top${quad};
${
            lines(
              OUTER_SIDE,
              (j) => `    top${quad} = max(top${quad}, ${ofThread(quad)(j)});`,
            )
          }
    let shrink${quad} = exp2(before${quad} - top${quad});`
        )
      }
${
        eachSum(
          2,
          (r, j) => `    ${s(r, j)} = exp2(${s(r, j)} - ${ofRow("top", r)});`,
        )
      }
${
        bothQuads((quad) =>
          `    sum${quad} = sum${quad} * shrink${quad} + vec4<f32>(
${
            joined(
              4,
              ",\n",
              (i) =>
                `      dot(${s(4 * quad + i, 0)} + ${
                  s(4 * quad + i, 1)
                }, vec4<f32>(1.0f))`,
            )
          });`
        )
      }
${
        rng
          ? eachSum(2, (r, j) =>
            `    ${s(r, j)} *= ${
              dropoutVector(
                shape,
                `(work * ${T}u + ${row(r)}) * ${T}u + ${column(j)}`,
              )
            };`)
          : ""
      }
${
        lines(PARTS, (c) =>
          lines(
            2,
            (j) =>
              bothQuads((quad) =>
                `    probs[${c}][x + ${OUTER_SIDE * j}u][${
                  OUTER_PLACES[quad]
                }] = ` +
                `vec4<f32>(${
                  joined(4, ", ", (i) => `${s(4 * quad + i, j)}[${c}]`)
                });`
              ),
          ))
      }
    // 3. Probabilities times values.
${eachSum(vectors, (r, j) => `    ${o(r, j)} *= ${ofRow("shrink", r)};`)}
    for (var part = 0u; part < ${PARTS}u; part++) {
${
        lines(
          turns,
          (t) =>
            `      columnPart[${inPart(t)}][lane % ${across}u] = next${t};`,
        )
      }
      workgroupBarrier();
      let following = min(part + 1u, ${PARTS - 1}u);
${take("following")}
      if (isDiagonal) {
${
        addOuter("o", {
          rowsAt: (u) => `probs[part][${u}]`,
          quads: OUTER_PLACES,
          vectors,
          isNeeded: ({ quad, u }) => quad === 1 || u < OUTER_SIDE,
        })
      }
      } else {
${
        addOuter("o", {
          rowsAt: (u) => `probs[part][${u}]`,
          quads: OUTER_PLACES,
          vectors,
        })
      }
      }
      workgroupBarrier();
    }
  }
  // 4. Totals over the threads of a row, and the results.
${bothQuads((quad) => `  rowPart[x][${OUTER_PLACES[quad]}] = sum${quad};`)}
  workgroupBarrier();
${
        bothQuads((quad) =>
          `  let all${quad} = ${joined(OUTER_SIDE, " + ", ofThread(quad))};`
        )
      }
${
        lines(8, (r) =>
          `  if (${row(r)} < ${T}u) {
    let at = (first + ${row(r)}) * ${H * D}u + h * ${D}u;
${
            lines(vectors, (j) => {
              const v = `x + ${OUTER_SIDE * j}u`;
              return `    if (${v} < ${chunkVectors}u && chunk * ${chunkVectors}u + ${v} < ${D4}u) {
      let d4 = chunk * ${chunkVectors}u + ${v};
      let result = ${o(r, j)} / ${ofRow("all", r)};
      ${
                storeHead(names.out, {
                  ...{ start: "at", d4: "d4", value: "result", shape },
                })
              }
    }`;
            })
          }
    if (x == 0u && chunk == 0u) {
      ${names.lse}[work * ${T}u + ${row(r)}] = ${f32(Math.LN2)} * (${
            ofRow("top", r)
          } + log2(${ofRow("all", r)}));
    }
  }`)
      }`,
    )
  }`;
  return {
    label: "attention",
    bindings,
    code,
    workgroups: groups(workgroups),
    flops: attentionFlops(shape, 2),
  };
}
