/**
 * Matrix products as dispatches: one, or two where the depth is split.
 *
 * The shader is ../gemm/gemm_kernel.ts's, or ../gemm_matrix/gemm_matrix.ts's;
 * which variant a shape gets, ../choice/gemm_choice.ts says.
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
import {
  canMatrixSumColumns,
  matrixKernel,
} from "../gemm_matrix/gemm_matrix.ts";
import { entry, joined } from "../shader/wgsl.ts";
import { finishAt } from "../gemm/gemm_epilogue.ts";
import type { GemmTensors } from "../gemm/gemm_frame.ts";
import { canSumColumns, gemmKernel } from "../gemm/gemm_kernel.ts";
import type { GemmShape, GemmTile, GemmVariant } from "../gemm/gemm_variant.ts";

/**
 * Whether workgroups can sum the columns of `b` by the way: each thread has
 * to load vectors of one column only.
 */
export function sumsColumns(tile: GemmTile): boolean {
  return tile.flow === "matrix"
    ? canMatrixSumColumns(tile)
    : canSumColumns(tile);
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
  if (splitK === 1) return [tiled(tensors, { shape, variant })];
  const { a, b, scales, sums, ...rest } = tensors;
  const { M } = shape;
  const N = rest.out.row ?? shape.N;
  const rows = M + (sums ? 1 : 0); // of a part: the sums are its last row
  const parts = { ...partials(splitK * rows * N), row: rest.out.row };
  const partSums = sums && { sums: { out: parts } };
  return [
    tiled({ a, b, scales, out: parts, ...partSums }, { shape, variant }),
    sumParts({ parts, sums, ...rest }, { M, N, rows, splitK }),
  ];
}

function tiled(
  tensors: GemmTensors,
  { shape, variant }: { shape: GemmShape; variant: GemmVariant },
): Dispatch {
  return variant.flow === "matrix"
    ? matrixKernel(tensors, { shape, variant })
    : gemmKernel(tensors, { shape, variant });
}

/** Adds the parts of a split k in order, with bias and `addTo`. */
function sumParts(
  { parts, bias, addTo, out, sums, epilogue }:
    & Omit<GemmTensors, "a" | "b" | "scales">
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
  const ending = epilogue?.code(names);
  const code = (ending?.declarations ?? "") + entry(
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
  ${ending ? finishAt(ending, { at: "at", v: "v" }) : `${names.out}[at] = v;`}`,
  );
  return { label: "matmul", bindings, code, workgroups: groups(count) };
}
