/**
 * Dot products of the rows of attention's output with their gradients, head by
 * head: what the gradient of softmax subtracts from each row.
 *
 * Neighbouring threads have neighbouring vectors, so that memory is read in
 * order; what they make of each is added up through workgroup memory. Memory
 * bound.
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
import { entry, range } from "../shader/wgsl.ts";
import { GRADIENT_LABEL } from "./attention_gradients.ts";
import { headLoader } from "./attention_heads.ts";
import type { AttentionShape } from "./attention_tile.ts";

const THREADS = 256;
/** Most rows of a workgroup, and most numbers that it keeps: 8 KB. */
const MOST_ROWS = 64, MOST_KEPT = 2048;

/** Sums for rows (B, H, T), in order of the vectors. */
export function rowDots(
  { dOut, out, rowDots }: Record<"dOut" | "out" | "rowDots", GpuTensor>,
  shape: Pick<AttentionShape, "B" | "T" | "H" | "D" | "D4" | "vector">,
): Dispatch {
  const { B, T, H, D, D4, vector } = shape;
  const { bindings, names } = bind(
    { read: { dOut, out }, write: { rowDots } },
    { vector: vector ? ["dOut", "out"] : [] },
  );
  // An odd length keeps threads that add up rows out of each other's banks.
  const length = D4 + 1 - D4 % 2;
  const fitting = Math.floor(MOST_KEPT / length);
  const rows = Math.max(1, Math.min(MOST_ROWS, fitting));
  const n = B * T * H, count = Math.ceil(n / rows), vectors = rows * D4;
  const isWhole = n % rows === 0;
  const code = `${headLoader(names.dOut, shape)}${
    names.out === names.dOut ? "" : headLoader(names.out, shape)
  }
var<workgroup> products: array<f32, ${rows * length}>;
${
    entry(
      THREADS,
      `
  let work = ${groupIndex(count)};
  if (work >= ${count}u) { return; }
  let first = work * ${rows}u;${
        range(Math.ceil(vectors / THREADS)).map((turn) => {
          const index = `(lane + ${turn * THREADS}u)`;
          const guards = [
            ...(turn + 1) * THREADS <= vectors
              ? []
              : [`${index} < ${vectors}u`],
            ...isWhole ? [] : [`first + ${index} / ${D4}u < ${n}u`],
          ].join(" && ");
          return `
  ${guards && `if (${guards}) `}{
    let row = ${index} / ${D4}u;
    let d4 = ${index} % ${D4}u;
    let start = (first + row) * ${D}u;
    products[row * ${length}u + d4] = dot(load_${names.dOut}(start, d4), load_${names.out}(start, d4));
  }`;
        }).join("")
      }
  workgroupBarrier();
  let i = first + lane;
  if (lane < ${rows}u${isWhole ? "" : ` && i < ${n}u`}) {
    var sum = 0.0f;
    for (var d4 = 0u; d4 < ${D4}u; d4++) { sum += products[lane * ${length}u + d4]; }
    let row = i / ${H}u;
    ${names.rowDots}[(row / ${T}u * ${H}u + i % ${H}u) * ${T}u + row % ${T}u] = sum;
  }`,
    )
  }`;
  return { label: GRADIENT_LABEL, bindings, code, workgroups: groups(count) };
}
