/**
 * Which products go to matrix units, and in which tiles.
 *
 * Only where activations are stored in two bytes: there factors are rounded to
 * them, as the CPU backend does. In fp32 nothing is.
 *
 * @module
 */

import type { StoredPrecision } from "../two_bytes.ts";
import { matrixThreads, matrixWorkgroupBytes } from "./gemm_matrix.ts";
import type { GemmShape, MatrixTile, MatrixUnit } from "./gemm_variant.ts";
import { waste } from "./gemm_waves.ts";

/**
 * Tiles, and the part of a subgroup, in the words of {@linkcode formatMatrix},
 * in the order in which they are tried where a shape makes no difference: the
 * likeliest first, by counts.
 *
 * Of one subgroup, 64 x 64 takes 128 registers of each of 32 threads for sums,
 * and reads 8 KB of workgroup memory for 0.26 MFLOP; 64 x 32 takes half as
 * many, and reads half as much again for each. Larger tiles read less from the
 * cache; of twice as many subgroups, or half as deep, each thread has half as
 * much of the next tile in registers. NVIDIA's sample, which gemm_matrix.ts
 * names, is 16 deep where sums are f32. 192 and 96 divide the sides of most
 * models, and 384 columns among 132 cores so that few wait in the end.
 *
 * Measured on an H200 with factors in bf16, 4096 x 4096 x 4096, TFLOP/s: the
 * first 285, 128x128x64 of 64 x 32 259, 256x128x32 266. Left out is what has two
 * tiles in workgroup memory, 98 to 226, as if a core had one workgroup then.
 */
const TILES = [
  "128x128x32 64x64",
  "128x128x32 64x64 paired",
  "128x128x32 64x64 between",
  "128x128x64 64x32",
  "256x128x32 64x64",
  "128x96x32 64x48",
  "128x192x32 64x48",
  "128x96x32 64x48 paired",
  "128x192x64 64x48",
  "128x128x64 64x32 between",
  "128x192x32 64x48 far",
  "128x64x32 64x32",
  "128x128x32 64x32",
  "64x96x32 32x48",
  "64x64x32 32x32",
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
 * `128x128x32 64x64 paired far matrix bf16 16x16x16 on 32 lanes`: tile,
 * subgroup's part, whether neighbours share a core, when tiles are read if not
 * before the one before, unit.
 */
export function formatMatrix(tile: MatrixTile): string {
  const { tileM, tileN, tileK, subgroupM, subgroupN } = tile;
  const { paired, reads, unit } = tile;
  return `${tileM}x${tileN}x${tileK} ${subgroupM}x${subgroupN} ` +
    (paired ? "paired " : "") +
    `${reads === "before" ? "" : `${reads} `}matrix ${formatUnit(unit)}`;
}

/** `bf16 16x16x16 on 32 lanes`. */
export function formatUnit({ M, N, K, scalar, lanes }: MatrixUnit): string {
  return `${scalar} ${M}x${N}x${K} on ${lanes} lanes`;
}

/** The opposite of {@linkcode formatMatrix}; null for another text. */
export function parseMatrix(text: string): MatrixTile | null {
  const match = text.match(
    /^(\d+)x(\d+)x(\d+) (\d+)x(\d+) (paired )?(?:(between|far) )?matrix (b?f16) (\d+)x(\d+)x(\d+) on (\d+) lanes$/,
  );
  if (!match) return null;
  const [tileM, tileN, tileK, subgroupM, subgroupN] = match.slice(1, 6)
    .map(Number);
  // The pattern has no others.
  const reads = (match[7] ?? "before") as MatrixTile["reads"];
  const scalar = match[8] as MatrixUnit["scalar"];
  const [M, N, K, lanes] = match.slice(9).map(Number);
  return {
    ...{ tileM, tileN, tileK, subgroupM, subgroupN, flow: "matrix" },
    ...{ paired: match[6] !== undefined, reads },
    unit: { M, N, K, scalar, lanes },
  };
}
