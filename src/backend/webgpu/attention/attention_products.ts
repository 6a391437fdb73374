/**
 * The two kinds of products of attention, over four columns of four or eight
 * rows per thread: heads times heads, which gives scores, and scores times
 * heads.
 *
 * Either each thread reads the heads that it needs, or they go through
 * workgroup memory, 16 numbers of every head or 16 heads at a time, the next
 * ones being read while these are used. The first is better on adapters that
 * are slow at barriers, as in software; the second needs four reads of memory
 * where that needs 16. Threads leave out what is masked for all their rows.
 *
 * @module
 */

import { joined, lines } from "../shader/wgsl.ts";
import type { Heads } from "./attention_heads.ts";
import { type AttentionShape, isSeen } from "./attention_tile.ts";

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
export function keepScores(
  { quads }: AttentionShape,
  score: (r: number, c: number) => string,
): string {
  return lines(quads, (quad) =>
    lines(
      4,
      (c) =>
        `    probs[${c}][x][${quadOf(quads, quad)}] = vec4<f32>(${
          joined(4, ", ", (r) => score(4 * quad + r, c))
        });`,
    ));
}

/** WGSL: the number of four rows of this thread among those of the tile. */
export function quadOf(quads: number, quad: number): string {
  return quads === 1 ? "y" : `${quads}u * y + ${quad}u`;
}

/**
 * WGSL: adds to `name0` … the products of the thread's row heads with its four
 * column heads; vectors along the columns, the first of which is `begin` of the
 * sequence. To be called by all threads.
 */
export function addScores(name: string, scores: Scores): string {
  const { side, shape } = scores;
  const [first, last] = [0, 3].map((c) => `begin + 4u * x + ${c}u`);
  const needed = isSeen(shape, { side, first, last });
  return shape.flow === "direct"
    ? `if (${needed}) ${addDirectScores(name, scores)}`
    : addStagedScores(name, { ...scores, needed });
}

/** The factors of scores. */
interface Scores {
  readonly rows: Heads;
  readonly columns: Heads;
  /** What the rows are. */
  readonly side: "queries" | "keys";
  readonly shape: AttentionShape;
}

function addDirectScores(
  name: string,
  { rows, columns, shape: { D4 } }: Scores,
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
  { rows, columns, needed, shape }: Scores & { needed: string },
): string {
  const { D4, threads, tile, quads } = shape;
  const padded = D4 % SLOTS !== 0;
  // Each thread brings a vector of so many rows, and of as many columns.
  const turns = tile * SLOTS / threads;
  const eachTurn = (line: (turn: number) => string) => lines(turns, line);
  const put = (array: string, turn: number, value: string) => {
    const inside = `select(vec4<f32>(), ${value}, d4 + slot < ${D4}u)`;
    const place = `place + ${turn * threads / (4 * SLOTS)}u`;
    return `      ${array}[part][${place}][slot] = ${padded ? inside : value};`;
  };
  const start = (heads: Heads, turn: number) =>
    heads.at(`(lane / ${SLOTS}u + ${turn * threads / SLOTS}u)`);
  const product = (u: number) =>
    `{
${
      lines(
        shape.rows,
        (i) =>
          `      let r${i} = rowHeads[${i % 4}][${
            quadOf(quads, i >> 2)
          }][${u}];`,
      )
    }
${lines(4, (i) => `      let c${i} = columnHeads[${i}][x][${u}];`)}
${
      lines(4, (component) => {
        const part = "xyzw"[component];
        return `      let c_${part} = vec4<f32>(${
          joined(4, ", ", (c) => `c${c}.${part}`)
        });
${
          lines(
            shape.rows,
            (r) =>
              `      ${name}${r} = fma(vec4<f32>(r${r}.${part}), c_${part}, ${name}${r});`,
          )
        }`;
      })
    }
      }`;
  return `{
    let slot = lane % ${SLOTS}u;
    let part = lane / ${SLOTS}u % 4u;
    let place = lane / ${4 * SLOTS}u;
    let isNeeded = ${needed};
    let firstSlot = min(slot, ${D4 - 1}u);
${
    eachTurn((t) =>
      `    let rowStart${t} = ${start(rows, t)};
    let columnStart${t} = ${start(columns, t)};
    var nextRow${t} = load_${rows.array}(rowStart${t}, firstSlot);
    var nextColumn${t} = load_${columns.array}(columnStart${t}, firstSlot);`
    )
  }
    for (var d4 = 0u; d4 < ${D4}u; d4 += ${SLOTS}u) {
${
    eachTurn((t) =>
      `${put("rowHeads", t, `nextRow${t}`)}
${put("columnHeads", t, `nextColumn${t}`)}`
    )
  }
      workgroupBarrier();
      let next = min(d4 + ${SLOTS}u + slot, ${D4 - 1}u);
${
    eachTurn((t) =>
      `      nextRow${t} = load_${rows.array}(rowStart${t}, next);
      nextColumn${t} = load_${columns.array}(columnStart${t}, next);`
    )
  }
      if (isNeeded) {
${lines(SLOTS, product)}
      }
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
  { side, shape }: Pick<Scores, "side" | "shape">,
): string {
  const add = (v: (j: number) => string) =>
    lines(
      shape.perThread,
      (j) =>
        lines(shape.rows, (r) =>
          `      ${name}${r}_${j} = fma(vec4<f32>(p${r >> 2}[${r % 4}]), ${
            v(j)
          }, ${name}${r}_${j});`),
    );
  const scores = (c: number, group: string) =>
    lines(
      shape.quads,
      (quad) =>
        `      let p${quad} = probs[${c}][${group}][${
          quadOf(shape.quads, quad)
        }];`,
    );
  const { array, at } = heads;
  if (shape.flow === "direct") {
    return `
    for (var key = 0u; key < ${shape.tile}u; key += 4u) {
      if (${
      isSeen(shape, { side, first: "begin + key", last: "begin + key + 3u" })
    }) {
${
      lines(4, (u) =>
        `{
${scores(u, "key / 4u")}
      let start = ${at(`(key + ${u}u)`)};
${add((j) => `load_${array}(start, d${j})`)}
      }`)
    }
      }
    }`;
  }
  // Behind the keys of one part, in a row, are those of the next.
  const { chunkVectors, D4, tile, wide, parts, threads } = shape;
  const keys = KEYS * parts;
  const turns = keys * wide / threads; // each thread brings so many vectors
  const eachTurn = (line: (key: string, turn: number) => string) =>
    lines(turns, (t) => line(`(key + ${t * threads / wide}u)`, t));
  const place = (key: string) =>
    parts === 1
      ? `keyHeads[${key}][lane % ${wide}u]`
      : `keyHeads[${key} % ${KEYS}u][${key} / ${KEYS}u * ${wide}u + lane % ${wide}u]`;
  return `{
    let key = lane / ${wide}u;
    let vector = min(chunk * ${chunkVectors}u + lane % ${wide}u, ${D4 - 1}u);
${eachTurn((key, t) => `    var next${t} = load_${array}(${at(key)}, vector);`)}
    for (var slice = 0u; slice < ${tile}u; slice += ${keys}u) {
${eachTurn((key, t) => `      ${place(key)} = next${t};`)}
      workgroupBarrier();
      let nextSlice = min(slice + ${keys}u, ${tile - keys}u);
${
    eachTurn((key, t) =>
      `      next${t} = load_${array}(${at(`(nextSlice + ${key})`)}, vector);`
    )
  }
      let place = slice${parts > 1 ? ` + x / ${wide}u * ${KEYS}u` : ""};
      let quarter = place / 4u;
      if (${
    isSeen(shape, {
      side,
      first: "begin + place",
      last: `begin + place + ${KEYS - 1}u`,
    })
  }) {
${
    lines(KEYS, (u) =>
      `{
${scores(u % 4, `quarter + ${u >> 2}u`)}
      let v = keyHeads[${u}][x];
${add(() => "v")}
      }`)
  }
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
  { parts, wide, rows }: AttentionShape,
): string {
  if (parts === 1) return "";
  return lines(rows, (r) => `
  workgroupBarrier();
  keyHeads[y][x] = ${name}${r}_0;
  workgroupBarrier();
  ${name}${r}_0 = ${
    joined(parts, " + ", (p) => `keyHeads[y][x % ${wide}u + ${p * wide}u]`)
  };`);
}
