/**
 * Which products go to matrix units, and in which tiles.
 *
 * Only where activations are stored in two bytes: there factors are rounded to
 * them, as the CPU backend does. In fp32 nothing is.
 *
 * @module
 */

import type { MatrixUnit } from "../device/matrix_unit.ts";
import type { StoredPrecision } from "../dispatch.ts";
import type { GemmShape, MatrixTile } from "../gemm/gemm_variant.ts";
import { waste } from "./gemm_waves.ts";
import {
  matrixThreads,
  matrixWorkgroupBytes,
} from "../gemm_matrix/gemm_matrix.ts";

/**
 * Tiles, and the part of a subgroup, in the words of {@linkcode formatMatrix},
 * in the order in which they are tried where a shape makes no difference.
 *
 * All but the last, which is for small units and products, are best for some
 * product of `shakespeare-char` on an H200 (16384 rows, bf16): the first for
 * those of 1152 and 1536 columns and gradients of weights, the two that are 64
 * deep for 384 columns, 128x64 and 64x96 for small ones. Left out is what was
 * within 3 % of them or behind: 256 rows or columns, 128x96, 128x192x32, 64x64,
 * two tiles in workgroup memory (see LOG.md).
 */
const TILES = [
  "128x128x32 64x64",
  "128x128x64 64x32",
  "128x192x64 64x48",
  "128x64x32 64x32",
  "64x96x32 32x48",
  "32x32x32 16x16",
];

/** Of a kind of precision, the unit that is used; null if there is none. */
export function matrixUnitFor(
  precision: StoredPrecision,
  units: readonly MatrixUnit[] = [],
): MatrixUnit | null {
  const scalar = precision === "bf16"
    ? "bf16"
    : precision === "fp16"
    ? "f16"
    : null;
  const work = ({ M, N, K }: MatrixUnit) => M * N * K;
  return units.filter((unit) => unit.scalar === scalar && isUsable(unit))
    .toSorted((a, b) => work(b) - work(a))[0] ?? null;
}

/** Whether its sides fit the tiles here: vectors of 4, rows of 16 bytes. */
function isUsable({ M, N, K }: MatrixUnit): boolean {
  return [M, N, K].every((side) => [8, 16, 32].includes(side));
}

/** All tiles that a device can run with a unit, the likeliest first. */
export function matrixCandidates(
  unit: MatrixUnit,
  {
    maxComputeInvocationsPerWorkgroup: threads = 256,
    maxComputeWorkgroupStorageSize: bytes = Infinity,
  }: Partial<GPUSupportedLimits>,
): MatrixTile[] {
  return TILES.map((text) => parseMatrix(`${text} matrix ${formatUnit(unit)}`)!)
    .filter((tile) =>
      tile.subgroupM % unit.M === 0 && tile.subgroupN % unit.N === 0 &&
      tile.tileK % unit.K === 0 && matrixThreads(tile) <= threads &&
      matrixWorkgroupBytes(tile) <= bytes
    );
}

/** Likeliest first for a shape, by waves; the order of the list else. */
export function matrixTilesFor(
  shape: GemmShape,
  unit: MatrixUnit,
  limits: Partial<GPUSupportedLimits>,
): MatrixTile[] {
  return matrixCandidates(unit, limits)
    .map((tile) => ({ tile, waste: waste(shape, tile) }))
    .toSorted((a, b) => a.waste - b.waste).map(({ tile }) => tile);
}

/**
 * `128x128x32 64x64 matrix bf16 16x16x16 on 32 lanes`: tile, subgroup's part,
 * unit.
 */
export function formatMatrix(tile: MatrixTile): string {
  const { tileM, tileN, tileK, subgroupM, subgroupN, unit } = tile;
  return `${tileM}x${tileN}x${tileK} ${subgroupM}x${subgroupN} matrix ` +
    formatUnit(unit);
}

/** `bf16 16x16x16 on 32 lanes`. */
export function formatUnit({ M, N, K, scalar, lanes }: MatrixUnit): string {
  return `${scalar} ${M}x${N}x${K} on ${lanes} lanes`;
}

/** The opposite of {@linkcode formatMatrix}; null for another text. */
export function parseMatrix(text: string): MatrixTile | null {
  const match = text.match(
    /^(\d+)x(\d+)x(\d+) (\d+)x(\d+) matrix (b?f16) (\d+)x(\d+)x(\d+) on (\d+) lanes$/,
  );
  if (!match) return null;
  const [tileM, tileN, tileK, subgroupM, subgroupN] = match.slice(1, 6)
    .map(Number);
  const scalar = match[6] as MatrixUnit["scalar"]; // the pattern has no others
  const [M, N, K, lanes] = match.slice(7).map(Number);
  const unit = { M, N, K, scalar, lanes };
  return { tileM, tileN, tileK, subgroupM, subgroupN, flow: "matrix", unit };
}
