/**
 * Which variant multiplies which shape.
 *
 * @module
 */

import type { GemmShape, GemmVariant } from "./gemm.ts";

/** What a GPU may be given, but for the parts of k. */
export function gemmCandidates(): Omit<GemmVariant, "splitK">[] {
  return [
    { tileM: 32, tileN: 32, tileK: 16, perThread: 4, staged: true },
    { tileM: 64, tileN: 64, tileK: 16, perThread: 4, staged: true },
    { tileM: 64, tileN: 64, tileK: 16, perThread: 8, staged: true },
    { tileM: 128, tileN: 128, tileK: 8, perThread: 8, staged: true },
    { tileM: 32, tileN: 32, tileK: 4, perThread: 4, staged: false },
    { tileM: 64, tileN: 64, tileK: 4, perThread: 8, staged: false },
  ];
}

/** Workgroups that keep a large device busy. */
const WANTED_GROUPS = 512;
/** Most parts that k is split into: more cost more to add up. */
const MOST_SPLITS = 32;

/**
 * A pure function of the shape and the kind of adapter, so that a resumed run
 * computes the same.
 *
 * @param options.software The adapter computes on the CPU: workgroup memory
 * is slow there, and barriers more so. Measured with llvmpipe on 2 cores of a
 * Zen 5 server, (512, 256) x (256, 256): 8 GFLOP/s, staged 2 to 5.
 */
export function chooseGemm(
  { M, N, K }: GemmShape,
  { software }: { software: boolean },
): GemmVariant {
  if (software) {
    const isOdd = [M, N, K].some((n) => n % 4 !== 0); // read one by one
    const perThread = isOdd || Math.min(M, N) < 64 ? 4 : 8;
    const tile = 8 * perThread;
    return {
      tileM: tile,
      tileN: tile,
      tileK: 4,
      perThread,
      staged: false,
      splitK: 1,
    };
  }
  const small = Math.min(M, N) <= 32;
  const [tileM, tileN, tileK] = small ? [32, 32, 16] : [64, 64, 16];
  const tiles = Math.ceil(M / tileM) * Math.ceil(N / tileN);
  const deep = Math.floor(K / (8 * tileK));
  const splitK = Math.max(
    1,
    Math.min(Math.floor(WANTED_GROUPS / tiles), deep, MOST_SPLITS),
  );
  return { tileM, tileN, tileK, perThread: 4, staged: true, splitK };
}
