/**
 * Products with few rows, as in generating one token: bound by reading the
 * matrix b once.
 *
 * The threads of a workgroup share out the depth of its columns
 * (gemv_depth.ts) and add up at the end, in an order that follows from the
 * plan (gemv_plan.ts). Where a norm comes before, every workgroup normalizes
 * the rows of a for itself, while its first part of b is on the way: that is
 * little beside a dispatch of its own.
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
import { type Epilogue, finishAt } from "../gemm/gemm_epilogue.ts";
import type { GemmTensors } from "../gemm/gemm_frame.ts";
import type { GemmShape } from "../gemm/gemm_variant.ts";
import { entry, joined, lines } from "../shader/wgsl.ts";
import { type Ask, multiply } from "./gemv_depth.ts";
import { normalizeRows, type RowNorm } from "./gemv_norm.ts";
import { pairColumn, type PairEnding } from "./gemv_pairs.ts";
import { type GemvPlan, gemvPlan } from "./gemv_plan.ts";

/** The tensors of a product, and what is done at once with them. */
export interface GemvTensors extends Omit<GemmTensors, "sums" | "epilogue"> {
  /** What the rows of `a` go through first; see `canNormalize`. */
  readonly norm?: RowNorm;
  /**
   * Takes the results in place of `out`, with pairs those without `bias` and
   * `addTo`; see {@linkcode storesVectors}.
   */
  readonly ending?: Epilogue | PairEnding;
}

/** Whether results are stored four at a time. */
export function storesVectors(
  { N, K, transB }: Pick<GemmShape, "N" | "K" | "transB">,
): boolean {
  return N % 4 === 0 && (!transB || K % 4 === 0);
}

/** One dispatch for a product of at most `MOST_GEMV_ROWS` rows. */
export function gemvDispatch(
  { a, b, bias, addTo, out, norm, ending }: GemvTensors,
  given: GemmShape,
): Dispatch {
  const shape = { ...given, transA: given.transA && given.M > 1 };
  const { M, K, transA } = shape;
  const pairs = ending && "apart" in ending ? ending : undefined;
  const plan = gemvPlan(shape, { paired: pairs !== undefined });
  const { threads, columns } = plan;
  const isVector = transA ? M === 4 : K % 4 === 0;
  const read = { bias, addTo, ...ending?.read };
  const write = ending?.write ?? { out };
  const normed = { normWeight: norm?.weight, normBias: norm?.bias };
  const { bindings, names } = bind<string, string>({
    read: { a, b, ...normed, ...read, ...ending?.whole } as Tensors,
    write: write as Tensors,
  }, {
    vector: [
      ...isVector ? ["a", ...Object.keys(normed)] : [],
      ...plan.width === 4 ? ["b"] : [],
      ...storesVectors(shape) ? Object.keys({ ...read, ...write }) : [],
      ...pairs?.vectors ?? [],
    ],
  });
  const rows = norm && normalizeRows(norm, { M, K, threads, names });
  const product = multiply({
    ...{ shape, plan, names, isVector, isNormed: norm !== undefined },
  });
  const places = pairs ? columns / 2 : columns;
  const all = pairs ? plan.vectors / 2 : plan.vectors;
  const column = pairs
    ? pairColumn(`min(first + place % ${places}u, ${all - 1}u)`, pairs.apart) +
      ` + place / ${places}u * ${pairs.apart}u`
    : `min(first + place, ${all - 1}u)`;
  const sums = sumsOf(plan);
  const stored = { shape, plan, names, bias, addTo, ending };
  const code = `${sums.declare}
${rows?.declare ?? ""}
${
    ending && "apart" in ending
      ? ending.declare(names)
      : ending?.code(names).declarations ?? ""
  }
${
    entry(
      threads,
      `
  let first = ${groupIndex(plan.groups)} * ${places}u;
  ${placeOf(shape, plan)}
  let column = ${column};
  let isInside = first + place${pairs ? ` % ${places}u` : ""} < ${all}u;
  let stores = lane < ${places}u && first + lane < ${all}u;
${product.ask(added(stored))}
  ${rows?.body ?? ""}
${product.use}
${
        lines(M, (m) => `
  ${sums.addUp(`sum${m}`)}
  if (stores) {
    ${store(stored, { m, total: sums.total })}
  }
  ${
          m < M - 1
            ? sums.before
            : ""
        }`)
      }`,
    )
  }`;
  return {
    ...{ label: "matmul", bindings, code, workgroups: groups(plan.groups) },
  };
}

type Tensors = Record<string, GpuTensor>;

/** Neighbours read what lies side by side. */
function placeOf(
  { transB }: GemmShape,
  { columns, slices }: GemvPlan,
): string {
  return transB
    ? `let place = lane / ${slices}u;
  let slice = lane % ${slices}u;`
    : `let place = lane % ${columns}u;
  let slice = lane / ${columns}u;`;
}

/** How the sums of all slices become those of their columns. */
interface Sums {
  readonly declare: string;
  /** WGSL statements for the thread's own sum; with barriers. */
  readonly addUp: (sum: string) => string;
  /** WGSL of the sum of a place, for every thread then. */
  readonly total: (place: string) => string;
  /** To stand before the next `addUp`. */
  readonly before: string;
}

/** In one round, or in two of about the same length. */
function sumsOf({ width, threads, columns, slices }: GemvPlan): Sums {
  const type = width === 4 ? "vec4<f32>" : "f32";
  const add = (n: number, array: string, at: string, stride: number) =>
    joined(n, " + ", (j) => `${array}[${at} + ${j * stride}u]`);
  const declare = `var<workgroup> parts: array<${type}, ${threads}>;`;
  const keep = (sum: string) =>
    `parts[slice * ${columns}u + place] = ${sum};
  workgroupBarrier();`;
  if (slices <= 16) {
    return {
      declare,
      addUp: keep,
      total: (place) => add(slices, "parts", place, columns),
      before: "workgroupBarrier();",
    };
  }
  const seconds = 2 ** Math.ceil(Math.log2(slices) / 2);
  const all = columns * seconds;
  return {
    declare: `${declare}
var<workgroup> partSums: array<${type}, ${all}>;`,
    addUp: (sum) =>
      `${keep(sum)}
  if (lane < ${all}u) {
    partSums[lane] = ${add(slices / seconds, "parts", "lane", all)};
  }
  workgroupBarrier();`,
    total: (place) => add(seconds, "partSums", place, columns),
    before: "", // its barriers are enough
  };
}

/** What a result is made of beside the sum. */
interface Stored {
  readonly shape: GemmShape;
  readonly plan: GemvPlan;
  readonly names: Record<string, string>;
  readonly bias?: GpuTensor;
  readonly addTo?: GpuTensor;
  readonly ending?: Epilogue | PairEnding;
}

/** What is added in the end: threads that store are inside. */
function added({ shape, plan, names, bias, addTo }: Stored): Ask {
  const { M, N } = shape;
  const { width, vectors } = plan;
  const isRagged = width === 4 && !storesVectors(shape);
  const type = width === 4 ? "vec4<f32>" : "f32";
  const at = (array: string, m: number) =>
    !isRagged
      ? `${array}[${m * vectors}u + first + lane]`
      : `vec4<f32>(${
        joined(
          4,
          ", ",
          (j) =>
            `${array}[${m * N}u + min(4u * (first + lane) + ${j}u, ${N - 1}u)]`,
        )
      })`;
  const asked = [
    ...bias ? [{ name: "shift", value: at(names.bias, 0) }] : [],
    ...addTo
      ? Array.from({ length: M }, (_, m) => ({
        name: `before${m}`,
        value: at(names.addTo, m),
      }))
      : [],
  ];
  if (asked.length === 0) return { declare: "", load: "" };
  return {
    declare: asked.map(({ name }) => `var ${name} = ${type}();`).join("\n  "),
    load: `if (stores) {
    ${asked.map(({ name, value }) => `${name} = ${value};`).join("\n    ")}
    }`,
  };
}

/** Stores the results of row `m` that a thread has in the end. */
function store(
  { shape, plan, names, bias, addTo, ending }: Stored,
  { m, total }: { m: number; total: Sums["total"] },
): string {
  const { N } = shape;
  const { width, vectors, columns } = plan;
  if (ending && "apart" in ending) {
    const second = total(`lane + ${columns / 2}u`);
    return `finish(${m}u, first + lane, ${total("lane")}, ${second});`;
  }
  const value = `let v = ${total("lane")}${bias ? " + shift" : ""}${
    addTo ? ` + before${m}` : ""
  };`;
  const at = `${m * vectors}u + first + lane`;
  if (ending) {
    return `${value}
    let at = ${at};
    ${finishAt(ending.code(names), { at: "at", v: "v" })}`;
  }
  if (width === 1 || storesVectors(shape)) {
    return `${value}
    ${names.out}[${at}] = v;`;
  }
  return `${value}
    ${
    lines(4, (j) => `
    if (4u * (first + lane) + ${j}u < ${N}u) {
      ${names.out}[${m * N}u + 4u * (first + lane) + ${j}u] = v[${j}];
    }`)
  }`;
}
