/**
 * Matrix products as dispatches: one, or two where the depth is split.
 *
 * The shader is gemm_kernel.ts's; which variant of it a shape gets,
 * gemm_choice.ts says.
 *
 * @module
 */

import { bind, type Dispatch, type GpuTensor } from "./dispatch.ts";
import { groupIndex, groups } from "./dispatch.ts";
import type { Epilogue } from "./gemm_epilogue.ts";
import { gemmKernel } from "./gemm_kernel.ts";
import { entry, joined } from "./wgsl.ts";

/** The sizes and layouts of a product, as in graph/ops.ts. */
export interface GemmShape {
  readonly M: number;
  readonly N: number;
  readonly K: number;
  readonly transA: boolean;
  readonly transB: boolean;
}

/** How a product is computed, but for the parts of k. */
export interface GemmTile {
  /** Rows, columns and depth of what a workgroup holds at a time. */
  readonly tileM: number;
  readonly tileN: number;
  readonly tileK: number;
  /** Rows and columns of one thread: multiples of 4. */
  readonly threadM: number;
  readonly threadN: number;
  /**
   * How factors get to the threads:
   * - `direct`: each reads what it needs, `tileK` being 4;
   * - `staged`: through tiles in workgroup memory;
   * - `ahead`: so, and the next tiles are read while these are used.
   */
  readonly flow: "direct" | "staged" | "ahead";
  /**
   * Which squares of the tile neighbouring threads have: those of a `row`, or
   * 32 at a time a `block` of 4 x 8, which reads less of the factors.
   */
  readonly lanes: "row" | "block";
}

/** How a product is computed: everything that its order of sums follows from. */
export interface GemmVariant extends GemmTile {
  /** Parts of k that are summed apart and added in order. */
  readonly splitK: number;
}

/** The tensors of a product. */
export interface GemmTensors {
  readonly a: GpuTensor;
  readonly b: GpuTensor;
  readonly bias?: GpuTensor;
  readonly addTo?: GpuTensor;
  readonly out: GpuTensor;
  /** Sums over the rows of `b`, not transposed; N is a multiple of 4. */
  readonly sums?: { readonly addTo?: GpuTensor; readonly out: GpuTensor };
  /** Takes the results in place of `out`; N is a multiple of 4. */
  readonly epilogue?: Epilogue;
}

/**
 * The dispatches of a product: one, or two when k is split.
 *
 * @param partials Takes splitK times all results and sums, if k is split.
 */
export function gemmDispatches(
  tensors: GemmTensors,
  { shape, variant, partials }: {
    shape: GemmShape;
    variant: GemmVariant;
    partials: (length: number) => GpuTensor;
  },
): Dispatch[] {
  const { splitK } = variant;
  if (splitK === 1) return [gemmKernel(tensors, { shape, variant })];
  const { a, b, sums, ...rest } = tensors;
  const { M, N } = shape;
  const rows = M + (sums ? 1 : 0); // of a part: the sums are its last row
  const parts = partials(splitK * rows * N);
  const partSums = sums && { sums: { out: parts } };
  return [
    gemmKernel({ a, b, out: parts, ...partSums }, { shape, variant }),
    sumParts({ parts, sums, ...rest }, { M, N, rows, splitK }),
  ];
}

/** Adds the parts of a split k in order, with bias and `addTo`. */
function sumParts(
  { parts, bias, addTo, out, sums, epilogue }:
    & Omit<GemmTensors, "a" | "b">
    & { parts: GpuTensor },
  { M, N, rows, splitK }: {
    M: number;
    N: number;
    rows: number;
    splitK: number;
  },
): Dispatch {
  const width = N % 4 === 0 ? 4 : 1;
  const read = {
    ...{ parts, bias, addTo, sumsBefore: sums?.addTo },
    ...epilogue?.read,
  };
  const write = { ...epilogue?.write ?? { out }, sumsOut: sums?.out };
  const { bindings, names } = bind<string, string>(
    {
      read: { ...read, ...epilogue?.whole } as Record<string, GpuTensor>,
      write: write as Record<string, GpuTensor>,
    },
    { vector: width === 4 ? Object.keys({ ...read, ...write }) : [] },
  );
  const n = M * N / width, all = rows * N / width;
  const count = Math.ceil(all / 256);
  const code = (epilogue?.declare(names) ?? "") + entry(
    256,
    `
  let at = ${groupIndex(count)} * 256u + lane;
  if (at >= ${all}u) { return; }
  let sum = ${joined(splitK, " + ", (s) => `${names.parts}[at + ${s * all}u]`)};
  ${
      sums
        ? `if (at >= ${n}u) {
    ${names.sumsOut}[at - ${n}u] = ${
          sums.addTo ? `${names.sumsBefore}[at - ${n}u] + ` : ""
        }sum;
    return;
  }`
        : ""
    }
  let v = sum${bias ? ` + ${names.bias}[at % ${N / width}u]` : ""}${
      addTo ? ` + ${names.addTo}[at]` : ""
    };
  ${epilogue ? "finish(at, v);" : `${names.out}[at] = v;`}`,
  );
  return { label: "matmul", bindings, code, workgroups: groups(count) };
}
