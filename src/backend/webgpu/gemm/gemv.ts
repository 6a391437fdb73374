/**
 * Products with few rows, as in generating one token: bound by reading the
 * matrix b once.
 *
 * A workgroup has 64 columns of the result when b is (K, N), 16 when it is
 * transposed; its threads share out the depth and add up at the end.
 *
 * @module
 */

import {
  bind,
  type Dispatch,
  groupIndex,
  groups,
  isSame,
} from "../dispatch.ts";
import { entry, joined, lines } from "../wgsl.ts";
import type { GemmTensors } from "./gemm_frame.ts";
import type { GemmShape } from "./gemm_variant.ts";

/** Rows that are worth it; more are faster in tiles. */
export const MOST_GEMV_ROWS = 4;

const THREADS = 256;
const SIDE = 16;

/** One dispatch for a product of at most {@linkcode MOST_GEMV_ROWS} rows. */
export function gemvDispatch(
  { a, b, bias, addTo, out }: GemmTensors,
  { M, N, K, transA, transB }: GemmShape,
): Dispatch {
  const fits = (transB ? K : N) % 4 === 0 && !isSame(a, b);
  const { bindings, names } = bind(
    { read: { a, b, bias, addTo }, write: { out } },
    { vector: fits ? ["b"] : [] },
  );
  const width = fits ? 4 : 1;
  // Per thread and row, a sum for each of `width` columns, or along k.
  const at = (m: number, k: string) =>
    transA
      ? `${names.a}[(${k}) * ${M}u + ${m}u]`
      : `${names.a}[${m * K}u + ${k}]`;
  const columns = transB ? SIDE : SIDE * width;
  const count = Math.ceil(N / columns); // more than 65,535 for a million ids
  const group = groupIndex(count);
  const KV = K / width;
  const scan = transB
    ? `
  let column = ${group} * ${SIDE}u + lane / ${SIDE}u;
  let slice = lane % ${SIDE}u;
  let row = min(column, ${N - 1}u) * ${KV}u;
  for (var k = slice; k < ${KV}u; k += ${SIDE}u) {
    let w = ${names.b}[row + k];
${
      lines(M, (m) =>
        `    sum${m} += w * ${
          width === 4
            ? `vec4<f32>(${joined(4, ", ", (j) => at(m, `4u * k + ${j}u`))})`
            : at(m, "k")
        };`)
    }
  }`
    : `
  let column = ${group} * ${SIDE}u + lane % ${SIDE}u;
  let slice = lane / ${SIDE}u;
  let safe = min(column, ${N / width - 1}u);
  for (var k = slice; k < ${K}u; k += ${SIDE}u) {
    let w = ${names.b}[k * ${N / width}u + safe];
${lines(M, (m) => `    sum${m} += w * ${at(m, "k")};`)}
  }`;
  const one = (value: string, m: number, n: string) => `
      if (${n} < ${N}u) {
        let at = ${m * N}u + ${n};
        ${names.out}[at] = ${value}${bias ? ` + ${names.bias}[${n}]` : ""}${
    addTo ? ` + ${names.addTo}[at]` : ""
  };
      }`;
  const total = transB
    ? joined(SIDE, " + ", (j) => `parts[lane + ${j}u]`)
    : joined(SIDE, " + ", (j) => `parts[lane + ${j * SIDE}u]`);
  const leads = transB ? `slice == 0u` : `lane < ${SIDE}u`;
  const code = `
alias V = ${width === 4 ? "vec4<f32>" : "f32"};
var<workgroup> parts: array<V, ${THREADS}>;
${
    entry(
      THREADS,
      `
${lines(M, (m) => `  var sum${m} = V();`)}
${scan}
${
        lines(M, (m) => `
  parts[lane] = sum${m};
  workgroupBarrier();
  if (${leads}) {
    let total = ${total};
    ${
          transB
            ? one(
              width === 4 ? "dot(total, vec4<f32>(1.0f))" : "total",
              m,
              "column",
            )
            : width === 4
            ? lines(4, (j) => one(`total[${j}]`, m, `4u * column + ${j}u`))
            : one("total", m, "column")
        }
  }
  workgroupBarrier();`)
      }`,
    )
  }`;
  return {
    label: "matmul",
    bindings,
    code,
    workgroups: groups(count),
  };
}
