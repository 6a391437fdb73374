/**
 * Shaders with a workgroup per row, each thread holding some of its columns
 * in registers.
 *
 * @module
 */

import { groupIndex } from "../dispatch.ts";
import { f32, lines } from "./wgsl.ts";

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
export function elementType(shape: RowShape): string {
  return `alias V = ${typeOf(shape)};`;
}

function typeOf({ width }: RowShape): string {
  return width === 4 ? "vec4<f32>" : "f32";
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
export function declareParts(shape: RowShape, name: string): string {
  const zero = `${typeOf(shape)}()`;
  return lines(shape.parts, (j) => `  var ${name}${j} = ${zero};`);
}

/** The sum of the components of an expression of type V. */
export function across({ width }: RowShape, value: string): string {
  return width === 1 ? value : `dot(${value}, vec4<f32>(1.0f))`;
}

/**
 * Statements that normalize a row of C numbers, in the parts `x`: they make
 * `rstd_`, by which the parts are to be scaled, and with `centered` subtract
 * the mean, `mean_`, from them. The variance is that of the differences, as
 * that of one pass would cancel.
 */
export function normalize(
  shape: RowShape,
  { C, eps, centered }: { C: number; eps: number; centered: boolean },
): string {
  const zero = `${typeOf(shape)}()`;
  const average = (value: string) =>
    `sumAll(${across(shape, value)}, lane) / ${f32(C)}`;
  return `
  ${
    centered
      ? `
  var sum = ${zero};
  ${eachPart(shape, (j) => `sum += x${j};`)}
  let mean_ = ${average("sum")};
  ${eachPart(shape, (j) => `x${j} -= mean_;`)}`
      : ""
  }
  var squares = ${zero};
  ${eachPart(shape, (j) => `squares += x${j} * x${j};`)}
  let variance = ${average("squares")};
  let rstd_ = 1.0f / sqrt(variance + ${f32(eps)});`;
}
