/**
 * Which variant multiplies which shape.
 *
 * @module
 */

import type { AdapterInfo } from "../device/adapters.ts";
import type { MatrixUnit } from "../device/matrix_unit.ts";
import {
  formatMatrix,
  matrixCandidates,
  matrixTilesFor,
  parseMatrix,
} from "./matrix_choice.ts";
import { gemmThreads, gemmWorkgroupBytes } from "../gemm/gemm_kernel.ts";
import type {
  GemmShape,
  GemmTile,
  GemmVariant,
  ThreadTile,
} from "../gemm/gemm_variant.ts";
import { MOST_SPLITS, splitByWaves, waste } from "./gemm_waves.ts";

/**
 * What a GPU may be given, in the words of {@linkcode formatGemm}; the first
 * ones use little workgroup memory.
 *
 * Left out after measurements on an NVIDIA H200 (fp32, 4096 x 4096 x 4096):
 * two tiles of each factor in turns (30 to 35 TFLOP/s against 42 of `ahead`),
 * 32 deep (23), 8 deep (36), factors in f16 (37). Not measured there yet:
 * 8 x 12, whose tile divides the sides of most models, see
 * docs/gpu_performance.md.
 */
const CANDIDATES = [
  "32x32x4 4x4 direct row",
  "64x64x4 8x8 direct row",
  "32x32x16 4x4 staged row",
  "32x32x16 4x4 ahead row",
  "64x64x16 4x4 staged row",
  "64x64x16 4x4 ahead block",
  "64x64x16 8x8 ahead row",
  "64x64x16 8x8 ahead block",
  "128x64x16 8x8 ahead block",
  "128x96x16 8x12 ahead block",
  "128x128x16 8x8 ahead row",
  "128x128x16 8x8 ahead block",
  "128x128x16 16x8 ahead block",
];

/**
 * Every variant without matrix units that a GPU may be given, but for the parts
 * of k.
 *
 * @param limits Of a device; those that it cannot run are left out.
 */
export function gemmCandidates(
  limits: Partial<GPUSupportedLimits> = {},
): ThreadTile[] {
  return CANDIDATES.map(parseThreads).filter((tile) => runsOn(tile, limits));
}

/**
 * Those that are worth trying at the start of a training run, the likeliest
 * first: what the fixed table takes for the shape, then large parts of a
 * thread where there are registers for them, through workgroup memory. Each
 * takes a driver 0.1 to 0.3 s to compile, the one left out 0.5 s.
 */
export function tunedCandidates(
  { unit, ...adapter }: GemmAdapter,
  limits: Partial<GPUSupportedLimits>,
  shape?: GemmShape,
): GemmTile[] {
  const worth = gemmCandidates(limits).filter((
    { threadM, threadN, lanes, flow },
  ) => threadM * threadN <= 96 && (flow !== "ahead" || lanes === "block"));
  const threads = adapter.vendor === "nvidia"
    ? worth.toReversed().filter(({ flow }) => flow !== "direct")
    : worth;
  const known = shape &&
    formatGemm(chooseGemm(shape, { unit, ...adapter }, limits));
  // Units are many times as fast, where a driver can compile it at all.
  const ordered: GemmTile[] = unit
    ? [
      ...shape
        ? matrixTilesFor(shape, unit, limits)
        : matrixCandidates(unit, limits),
      threads[0],
    ]
    : threads;
  const isKnown = (tile: GemmTile) => formatGemm(tile) === known;
  return [
    ...ordered.filter(isKnown),
    ...ordered.filter((tile) => !isKnown(tile)),
  ];
}

/** What a choice depends on beside the shape. */
export interface GemmAdapter
  extends Pick<AdapterInfo, "isSoftware" | "vendor"> {
  /** The matrix unit that products may use. */
  readonly unit?: MatrixUnit | null;
}

/**
 * How much longer a tile takes for a product than its multiplications would if
 * it suited the shape, as far as it can be counted: to compare tiles of a flow.
 */
export function misfit(shape: GemmShape, tile: GemmTile): number {
  return tile.flow === "matrix" ? waste(shape, tile) : coverage(shape, tile);
}

/** How much of what tiles cover is outside of a product: 1 is nothing. */
function coverage(
  { M, N }: GemmShape,
  { tileM, tileN }: GemmTile,
): number {
  const covered = Math.ceil(M / tileM) * tileM * Math.ceil(N / tileN) * tileN;
  return covered / (M * N);
}

/**
 * A shape in short: `512x768x3072 NN`, `TN` where a factor is transposed, then
 * its neighbours.
 */
export function shapeKey(
  { M, N, K, transA, transB, neighbours }: GemmShape,
): string {
  const layout = (trans: boolean) => trans ? "T" : "N";
  return `${M}x${N}x${K} ${layout(transA)}${layout(transB)}` +
    (neighbours ? ` ${neighbours}` : "");
}

/**
 * A tile as {@linkcode formatGemm} writes it, ` / 4` for four parts of k, and
 * `, apart` where neighbours are kernels of their own.
 */
export function formatVariant(variant: GemmVariant): string {
  const { splitK, apart } = variant;
  return formatGemm(variant) + (splitK > 1 ? ` / ${splitK}` : "") +
    (apart ? APART : "");
}

const APART = ", apart";

/** The opposite of {@linkcode formatVariant}. @throws {TypeError} */
export function parseVariant(text: string): GemmVariant {
  if (text.endsWith(APART)) {
    const rest = text.slice(0, -APART.length);
    if (!rest.endsWith(APART)) return { ...parseVariant(rest), apart: true };
  }
  const [tile, parts = "1", ...rest] = text.split(" / ");
  const splitK = Number(parts);
  const isCount = Number.isInteger(splitK) && splitK >= 1 &&
    splitK <= MOST_SPLITS;
  if (!isCount || rest.length > 0) {
    throw new TypeError(`Cannot split k as "${text}" says`);
  }
  return { ...parseGemm(tile), splitK };
}

/**
 * The variant that `text` means, of those that are made here; null for any
 * other, as files may say anything.
 */
export function knownVariant(
  text: string,
  limits: Partial<GPUSupportedLimits>,
  unit?: MatrixUnit | null,
): GemmVariant | null {
  const [name] = text.split(/ \/ |, /);
  const known = [
    ...gemmCandidates(limits),
    ...unit ? matrixCandidates(unit, limits) : [],
  ];
  if (!known.some((tile) => formatGemm(tile) === name)) return null;
  try {
    return parseVariant(text);
  } catch {
    return null; // written by another version
  }
}

/** Whether a device can run a tile. */
function runsOn(
  tile: ThreadTile,
  {
    maxComputeInvocationsPerWorkgroup: threads = 256,
    maxComputeWorkgroupStorageSize: bytes = Infinity,
  }: Partial<GPUSupportedLimits>,
): boolean {
  return gemmThreads(tile) <= threads && gemmWorkgroupBytes(tile) <= bytes;
}

/** `128x128x16 8x8 ahead block`: tile, thread's part, flow, lanes. */
export function formatGemm(tile: GemmTile): string {
  if (tile.flow === "matrix") return formatMatrix(tile);
  const { tileM, tileN, tileK, threadM, threadN, flow, lanes } = tile;
  return `${tileM}x${tileN}x${tileK} ${threadM}x${threadN} ${flow} ${lanes}`;
}

/** The opposite of {@linkcode formatGemm}. @throws {TypeError} */
export function parseGemm(text: string): GemmTile {
  return parseMatrix(text) ?? parseThreads(text);
}

/** A tile without matrix units. @throws {TypeError} */
function parseThreads(text: string): ThreadTile {
  const match = text.match(
    /^(\d+)x(\d+)x(\d+) (\d+)x(\d+) (direct|staged|ahead) (row|block)$/,
  );
  if (!match) throw new TypeError(`Cannot read "${text}" as a kind of product`);
  const [tileM, tileN, tileK, threadM, threadN] = match.slice(1, 6).map(Number);
  const flow = match[6] as ThreadTile["flow"]; // the pattern has no others
  const lanes = match[7] as ThreadTile["lanes"];
  return { tileM, tileN, tileK, threadM, threadN, flow, lanes };
}

/** So many tiles are enough for all cores of a large device, twice. */
export const ENOUGH_TILES = 256;

/**
 * The fixed table: a pure function of the shape and the kind of adapter, so
 * that a resumed run computes the same.
 *
 * @param adapter A software adapter computes on the CPU: workgroup memory is
 * slow there, and barriers more so. Measured with llvmpipe on 2 cores of a
 * Zen 5 server, (512, 256) x (256, 256): 8 GFLOP/s, staged 2 to 5. NVIDIA's
 * have registers for large parts of a thread (measured on an H200), others
 * get what is good on all. Where there is a matrix unit, it is taken.
 */
export function chooseGemm(
  shape: GemmShape,
  { isSoftware, vendor, unit }: GemmAdapter,
  limits: Partial<GPUSupportedLimits> = {},
): GemmVariant {
  const { M, N, K } = shape;
  const small = Math.min(M, N);
  if (isSoftware) {
    const isOdd = [M, N, K].some((n) => n % 4 !== 0); // read one by one
    const tile = isOdd || small < 64 ? CANDIDATES[0] : CANDIDATES[1];
    return { ...parseGemm(tile), splitK: 1 };
  }
  const [onUnits] = unit ? matrixTilesFor(shape, unit, limits) : [];
  if (onUnits) return { ...onUnits, splitK: splitByWaves(shape, onUnits) };
  const tile = small <= 32
    ? parseThreads("32x32x16 4x4 staged row")
    : vendor !== "nvidia"
    ? parseThreads("64x64x16 4x4 staged row")
    : ON_NVIDIA.map(parseThreads).toSorted((a, b) =>
      waste(shape, a) - waste(shape, b) ||
      coverage(shape, a) - coverage(shape, b)
    )[0];
  return { ...tile, splitK: splitByWaves(shape, tile) };
}

/** Measured on an H200, the fastest first, where both have enough tiles. */
const ON_NVIDIA = ["128x64x16 8x8 ahead block", "64x64x16 8x8 ahead block"];
