/**
 * Products of attention's gradient where scores are kept: tiles of 64 x 64 by
 * 64 threads, each with 8 x 8 numbers of the result.
 *
 * Both factors go through workgroup memory, 16 deep at a time and depth first,
 * so that a step of depth reads four vectors for 64 products; the next 16 are
 * read while these are used.
 *
 * @module
 */

import { joined, lines, range } from "../shader/wgsl.ts";
import type { Heads } from "./attention_heads.ts";

/** Rows and columns of a tile, and vectors of a side of it. */
export const OUTER_TILE = 64, OUTER_QUADS = OUTER_TILE / 4;
/** Threads of a workgroup, and along a side. */
export const OUTER_THREADS = 64, OUTER_SIDE = 8;
/** Depth that is in workgroup memory at a time. */
export const DEPTH = 16;

/** WGSL: workgroup memory of the factors. */
export const OUTER_MEMORY = `
var<workgroup> rowPart: array<array<vec4<f32>, ${OUTER_QUADS}>, ${DEPTH}>;
var<workgroup> columnPart: array<array<vec4<f32>, ${OUTER_QUADS}>, ${DEPTH}>;
`;

/** The sum of a thread's row r, 0 to 7, and its vector j of columns. */
export function outerSum(name: string, r: number, j: number): string {
  return `${name}${r}_${j}`;
}

/** Lines for the sums of a thread: its rows, `vectors` vectors of each. */
export function eachSum(
  vectors: number,
  line: (r: number, j: number) => string,
): string {
  return lines(8, (r) => lines(vectors, (j) => line(r, j)));
}

/** Where a thread has its rows, in groups of four; they are half a tile apart. */
const OUTER_PLACES = ["y", `y + ${OUTER_SIDE}u`];

/**
 * WGSL: adds to the sums what the parts in workgroup memory give.
 *
 * @param options.quads The places of the thread's groups of four rows.
 * @param options.vectors Vectors of columns.
 * @param options.isNeeded Whether a group and a vector add anything.
 */
export function addOuter(
  name: string,
  { quads, vectors, isNeeded = () => true }: {
    quads: readonly string[];
    vectors: number;
    isNeeded?: (at: { quad: number; j: number }) => boolean;
  },
): string {
  return lines(DEPTH, (u) => {
    const used = range(quads.length).map((quad) => ({
      quad,
      columns: range(vectors).filter((j) => isNeeded({ quad, j })),
    })).filter(({ columns }) => columns.length > 0);
    const rows = used.map(({ quad }) =>
      `      let a${quad} = rowPart[${u}][${quads[quad]}];`
    );
    const columns = range(vectors).map((j) =>
      `      let b${j} = columnPart[${u}][x + ${OUTER_SIDE * j}u];`
    );
    const products = used.flatMap(({ quad, columns }) =>
      range(4).flatMap((i) =>
        columns.map((j) => {
          const sum = outerSum(name, 4 * quad + i, j);
          return `      ${sum} = fma(vec4<f32>(a${quad}[${i}]), b${j}, ${sum});`;
        })
      )
    );
    return `      {\n${[...rows, ...columns, ...products].join("\n")}\n      }`;
  });
}

/** WGSL: writes a square of 4 x 4 numbers, `next0` … its rows, turned. */
export function putTurned(part: string, next: string): string {
  return lines(
    4,
    (c) =>
      `      ${part}[4u * (lane / ${OUTER_QUADS}u) + ${c}u][lane % ${OUTER_QUADS}u] = ` +
      `vec4<f32>(${joined(4, ", ", (i) => `${next}${i}[${c}]`)});`,
  );
}

/**
 * WGSL: adds to the sums the products of heads of queries, the rows, with those
 * of keys; each thread brings 4 x 4 numbers of both at a time. Where the tile
 * `isDiagonal`, the later keys are masked for the earlier queries.
 */
export function addOuterScores(
  name: string,
  { rows, columns, D4 }: { rows: Heads; columns: Heads; D4: number },
): string {
  const slots = DEPTH / 4; // vectors of a head
  const load = ({ array, at }: Heads, next: string, d4: string) =>
    lines(
      4,
      (i) =>
        `${next}${i} = load_${array}(${
          at(`(4u * (lane % ${OUTER_QUADS}u) + ${i}u)`)
        }, ${d4});`,
    );
  const take = (d4: string) =>
    load(rows, "nextRow", d4) + load(columns, "nextColumn", d4);
  const zero = (next: string) =>
    D4 % slots === 0
      ? ""
      : lines(4, (i) =>
        `      ${next}${i} = select(vec4<f32>(), ${next}${i}, d4 + slot < ${D4}u);`);
  return `  {
    let slot = lane / ${OUTER_QUADS}u;
${
    lines(4, (i) =>
      `    var nextRow${i} = vec4<f32>();
    var nextColumn${i} = vec4<f32>();`)
  }
    let firstSlot = min(slot, ${D4 - 1}u);
    ${take("firstSlot")}
    for (var d4 = 0u; d4 < ${D4}u; d4 += ${slots}u) {
${zero("nextRow")}
${zero("nextColumn")}
${putTurned("rowPart", "nextRow")}
${putTurned("columnPart", "nextColumn")}
      workgroupBarrier();
      let following = min(d4 + ${slots}u + slot, ${D4 - 1}u);
      ${take("following")}
      if (isDiagonal) {
${
    addOuter(name, {
      quads: OUTER_PLACES,
      vectors: 2,
      isNeeded: ({ quad, j }) => quad >= j,
    })
  }
      } else {
${addOuter(name, { quads: OUTER_PLACES, vectors: 2 })}
      }
      workgroupBarrier();
    }
  }`;
}
