/**
 * The two kinds of products of attention, over a tile of 4 x 4 numbers per
 * thread: heads times heads, which gives scores, and scores times heads.
 *
 * Either each thread reads the heads that it needs, or they go through
 * workgroup memory, 16 numbers of every head or 16 heads at a time, the next
 * ones being read while these are used. The first is better on adapters that
 * are slow at barriers, as in software; the second needs four reads of memory
 * where that needs 16.
 *
 * @module
 */

import type { Heads } from "./attention_heads.ts";
import type { AttentionShape } from "./attention_tile.ts";
import { joined, lines } from "./wgsl.ts";

/** Workgroup memory of the `staged` kernels: less than most adapters have. */
export const STAGED_BYTES = 32 * 1024;

/** Depth that is in workgroup memory at a time, in vectors. */
const SLOTS = 4;
/** Heads that are in it at a time in products with scores. */
const KEYS = 16;

/**
 * WGSL: the workgroup memory of the products. Its last array has a vector for
 * each thread, and is free while no product with heads is made.
 */
export function productMemory({ flow, side }: AttentionShape): string {
  // One more vector than needed, so that neighbours are in other banks.
  const square = `array<array<vec4<f32>, ${side + 1}>, ${side}>`;
  const scores = `
var<workgroup> probs: array<${square}, 4>;`;
  const keys = `
var<workgroup> keyHeads: ${square};`;
  if (flow === "direct") return scores + keys;
  const heads = `array<array<array<vec4<f32>, ${SLOTS + 1}>, ${side}>, 4>`;
  return `${scores}
var<workgroup> rowHeads: ${heads};
var<workgroup> columnHeads: ${heads};${keys}`;
}

/** WGSL: keeps the scores of this thread, vectors along the rows. */
export function keepScores(score: (r: number, c: number) => string): string {
  return lines(
    4,
    (c) =>
      `    probs[${c}][x][y] = vec4<f32>(${
        joined(4, ", ", (r) => score(r, c))
      });`,
  );
}

/**
 * WGSL: adds to `name0` … `name3` the products of four row heads with four
 * column heads; vectors along the columns. To be called by all threads.
 */
export function addScores(
  name: string,
  { rows, columns, shape }: {
    rows: Heads;
    columns: Heads;
    shape: AttentionShape;
  },
): string {
  return shape.flow === "staged"
    ? addStagedScores(name, { rows, columns, shape })
    : addDirectScores(name, { rows, columns, shape });
}

function addDirectScores(
  name: string,
  { rows, columns, shape: { D4 } }: {
    rows: Heads;
    columns: Heads;
    shape: AttentionShape;
  },
): string {
  const unroll = D4 % 2 === 0 ? 2 : 1;
  return `{
${
    lines(4, (r) =>
      `    let rowStart${r} = ${rows.at(`(4u * y + ${r}u)`)};
    let columnStart${r} = ${columns.at(`(4u * x + ${r}u)`)};`)
  }
    for (var d4 = 0u; d4 < ${D4}u; d4 += ${unroll}u) {
${
    lines(unroll, (u) =>
      `{
${
        lines(4, (r) =>
          `      let r${r} = load_${rows.array}(rowStart${r}, d4 + ${u}u);
      let c${r} = load_${columns.array}(columnStart${r}, d4 + ${u}u);`)
      }
${
        lines(4, (r) =>
          `      ${name}${r} += vec4<f32>(${
            joined(4, ", ", (c) => `dot(r${r}, c${c})`)
          });`)
      }
      }`)
  }
    }
    }`;
}

function addStagedScores(
  name: string,
  { rows, columns, shape: { D4 } }: {
    rows: Heads;
    columns: Heads;
    shape: AttentionShape;
  },
): string {
  const padded = D4 % SLOTS !== 0;
  const put = (tile: string, value: string) => {
    const inside = `select(vec4<f32>(), ${value}, d4 + slot < ${D4}u)`;
    return `${tile}[part][place][slot] = ${padded ? inside : value};`;
  };
  const product = (u: number) =>
    `{
${
      lines(4, (i) =>
        `      let r${i} = rowHeads[${i}][y][${u}];
      let c${i} = columnHeads[${i}][x][${u}];`)
    }
${
      lines(4, (component) => {
        const part = "xyzw"[component];
        return `      let c_${part} = vec4<f32>(${
          joined(4, ", ", (c) => `c${c}.${part}`)
        });
${
          lines(4, (r) =>
            `      ${name}${r} = fma(vec4<f32>(r${r}.${part}), c_${part}, ${name}${r});`)
        }`;
      })
    }
      }`;
  return `{
    let slot = lane % ${SLOTS}u;
    let part = lane / ${SLOTS}u % 4u;
    let place = lane / ${4 * SLOTS}u;
    let rowStart = ${rows.at(`(lane / ${SLOTS}u)`)};
    let columnStart = ${columns.at(`(lane / ${SLOTS}u)`)};
    var nextRow = load_${rows.array}(rowStart, min(slot, ${D4 - 1}u));
    var nextColumn = load_${columns.array}(columnStart, min(slot, ${D4 - 1}u));
    for (var d4 = 0u; d4 < ${D4}u; d4 += ${SLOTS}u) {
      ${put("rowHeads", "nextRow")}
      ${put("columnHeads", "nextColumn")}
      workgroupBarrier();
      let next = min(d4 + ${SLOTS}u + slot, ${D4 - 1}u);
      nextRow = load_${rows.array}(rowStart, next);
      nextColumn = load_${columns.array}(columnStart, next);
${lines(SLOTS, product)}
      workgroupBarrier();
    }
    }`;
}

/**
 * WGSL: adds to `name<row>_<j>` the products of the kept scores with heads,
 * one for each column of the tile; j counts the vectors of the thread. The
 * scores were written by all threads before a barrier.
 */
export function addHeads(
  name: string,
  heads: Heads,
  shape: AttentionShape,
): string {
  const add = (v: (j: number) => string) =>
    lines(
      shape.perThread,
      (j) =>
        lines(4, (r) =>
          `      ${name}${r}_${j} = fma(vec4<f32>(p[${r}]), ${
            v(j)
          }, ${name}${r}_${j});`),
    );
  const { array, at } = heads;
  if (shape.flow === "direct") {
    return `
    for (var key = 0u; key < ${shape.tile}u; key += 4u) {
${
      lines(4, (u) =>
        `{
      let p = probs[${u}][key / 4u][y];
      let start = ${at(`(key + ${u}u)`)};
${add((j) => `load_${array}(start, d${j})`)}
      }`)
    }
    }`;
  }
  // Behind the keys of one part, in a row, are those of the next.
  const { chunkVectors, D4, tile, wide, parts } = shape;
  const keys = KEYS * parts;
  const place = parts === 1
    ? `keyHeads[key][lane % ${wide}u]`
    : `keyHeads[key % ${KEYS}u][key / ${KEYS}u * ${wide}u + lane % ${wide}u]`;
  return `{
    let key = lane / ${wide}u;
    let vector = min(chunk * ${chunkVectors}u + lane % ${wide}u, ${D4 - 1}u);
    var next = load_${array}(${at("key")}, vector);
    for (var slice = 0u; slice < ${tile}u; slice += ${keys}u) {
      ${place} = next;
      workgroupBarrier();
      let nextKey = min(slice + ${keys}u, ${tile - keys}u) + key;
      next = load_${array}(${at("nextKey")}, vector);
      let quarter = slice / 4u${
    parts > 1 ? ` + x / ${wide}u * ${KEYS / 4}u` : ""
  };
${
    lines(KEYS, (u) =>
      `{
      let p = probs[${u % 4}][quarter + ${u >> 2}u][y];
      let v = keyHeads[${u}][x];
${add(() => "v")}
      }`)
  }
      workgroupBarrier();
    }
    }`;
}

/**
 * WGSL: adds up the parts that the threads of a row have of `name<row>_0`, in
 * their order; the first threads have the sums. To be called by all threads.
 */
export function addParts(
  name: string,
  { parts, wide }: AttentionShape,
): string {
  if (parts === 1) return "";
  return lines(4, (r) => `
  workgroupBarrier();
  keyHeads[y][x] = ${name}${r}_0;
  workgroupBarrier();
  ${name}${r}_0 = ${
    joined(parts, " + ", (p) => `keyHeads[y][x % ${wide}u + ${p * wide}u]`)
  };`);
}
