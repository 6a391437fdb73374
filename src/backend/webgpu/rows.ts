/**
 * Shaders with a workgroup per row, each thread holding some of its columns
 * in registers.
 *
 * @module
 */

import { groupIndex } from "./dispatch.ts";

/** How a row of C columns is spread over the threads of a workgroup. */
export interface RowShape {
  /** Numbers per element: 4 when C is a multiple of 4. */
  readonly width: 1 | 4;
  /** Elements of a row. */
  readonly CV: number;
  readonly threads: 64 | 256;
  /** Elements of one thread, rounded up. */
  readonly parts: number;
}

/** Few threads for short rows, as idle ones wait at the barriers too. */
export function rowShape(C: number): RowShape {
  const width = C % 4 === 0 ? 4 : 1;
  const CV = C / width;
  const threads = CV <= 256 ? 64 : 256;
  return { width, CV, threads, parts: Math.ceil(CV / threads) };
}

/** The alias `V` for the element type. */
export function elementType({ width }: RowShape): string {
  return `alias V = ${width === 4 ? "vec4<f32>" : "f32"};`;
}

/** Finds the row and where it starts; ends the workgroups that have none. */
export function beginRow(rows: number, { CV }: RowShape): string {
  return `
  let row = ${groupIndex(rows)};
  if (row >= ${rows}u) { return; }
  let start = row * ${CV}u;`;
}

/**
 * Statements for each element of the row that this thread has.
 *
 * @param statement For part j: `c` is the column's number, and `i` the
 * element's in the matrix.
 */
export function eachPart(
  { CV, threads, parts }: RowShape,
  statement: (j: number) => string,
): string {
  return Array.from({ length: parts }, (_, j) => {
    const full = (j + 1) * threads <= CV;
    const guard = full ? "" : `if (lane + ${j * threads}u < ${CV}u) `;
    return `
  ${guard}{
    let c = lane + ${j * threads}u;
    let i = start + c;
    ${statement(j)}
  }`;
  }).join("");
}

/** A variable per part, set to zero. */
export function declareParts({ parts }: RowShape, name: string): string {
  return Array.from({ length: parts }, (_, j) => `  var ${name}${j} = V();`)
    .join("\n");
}

/** The sum of the components of an expression of type V. */
export function across({ width }: RowShape, value: string): string {
  return width === 1 ? value : `dot(${value}, vec4<f32>(1.0f))`;
}
