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
}

/**
 * The dispatches of a product: one, or two when k is split.
 *
 * @param partials Takes M * N * splitK numbers, if k is split.
 */
export function gemmDispatches(
  tensors: GemmTensors,
  { shape, variant, partials }: {
    shape: GemmShape;
    variant: GemmVariant;
    partials: (length: number) => GpuTensor;
  },
): Dispatch[] {
  const { M, N } = shape;
  if (variant.splitK === 1) return [gemmKernel(tensors, { shape, variant })];
  const { a, b, ...rest } = tensors;
  const parts = partials(M * N * variant.splitK);
  return [
    gemmKernel({ a, b, out: parts }, { shape, variant }),
    sumParts({ parts, ...rest }, { M, N, splitK: variant.splitK }),
  ];
}

/** Adds the parts of a split k in order, with bias and `addTo`. */
function sumParts(
  { parts, bias, addTo, out }: {
    parts: GpuTensor;
    bias?: GpuTensor;
    addTo?: GpuTensor;
    out: GpuTensor;
  },
  { M, N, splitK }: { M: number; N: number; splitK: number },
): Dispatch {
  const width = N % 4 === 0 ? 4 : 1;
  const { bindings, names } = bind(
    { read: { parts, bias, addTo }, write: { out } },
    { vector: width === 4 },
  );
  const n = M * N / width, count = Math.ceil(n / 256);
  const code = entry(
    256,
    `
  let i = ${groupIndex(count)} * 256u + lane;
  if (i >= ${n}u) { return; }
  ${names.out}[i] = ${
      joined(splitK, " + ", (s) => `${names.parts}[i + ${s * n}u]`)
    }${bias ? ` + ${names.bias}[i % ${N / width}u]` : ""}${
      addTo ? ` + ${names.addTo}[i]` : ""
    };`,
  );
  return { label: "matmul", bindings, code, workgroups: groups(count) };
}
