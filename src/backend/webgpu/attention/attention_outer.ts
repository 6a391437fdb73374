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

import { joined, lines } from "../wgsl.ts";

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

/**
 * WGSL: adds to the sums what the parts in workgroup memory give.
 *
 * @param options.quads The places of the thread's groups of four rows.
 * @param options.vectors Vectors of columns.
 * @param options.isNeeded Whether a group and a vector have anything to add.
 */
export function addOuter(
  name: string,
  { quads, vectors, isNeeded = () => true }: {
    quads: readonly string[];
    vectors: number;
    isNeeded?: (quad: number, j: number) => boolean;
  },
): string {
  const used = quads.map((_, quad) => quad)
    .filter((quad) => isNeeded(quad, 0) || isNeeded(quad, vectors - 1));
  return lines(DEPTH, (u) =>
    `      {
${
      used.map((quad) => `      let a${quad} = rowPart[${u}][${quads[quad]}];`)
        .join("\n")
    }
${
      lines(
        vectors,
        (j) => `      let b${j} = columnPart[${u}][x + ${OUTER_SIDE * j}u];`,
      )
    }
${
      used.map((quad) =>
        lines(4, (i) =>
          lines(vectors, (j) => {
            if (!isNeeded(quad, j)) return "";
            const sum = outerSum(name, 4 * quad + i, j);
            return `      ${sum} = fma(vec4<f32>(a${quad}[${i}]), b${j}, ${sum});`;
          }))
      ).join("\n")
    }
      }`);
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
