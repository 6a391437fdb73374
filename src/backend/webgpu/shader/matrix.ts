/**
 * Units of matrices ("cooperative matrices") in WGSL, after naga's syntax.
 *
 * @module
 */

import type { MatrixUnit } from "../device/matrix_unit.ts";

/** The type of one unit: left or right factor, or result. */
export function matrixType(
  { M, N, K, scalar }: MatrixUnit,
  use: "A" | "B" | "C",
): string {
  const sides = { A: `${M}x${K}`, B: `${K}x${N}`, C: `${M}x${N}` };
  return `coop_mat${sides[use]}<${use === "C" ? "f32" : scalar}, ${use}>`;
}

/** Extensions that a shader with units needs. */
export function matrixEnables({ scalar }: MatrixUnit): string[] {
  return [
    "wgpu_cooperative_matrix",
    "subgroups",
    ...scalar === "f16" ? ["f16"] : [],
  ];
}
