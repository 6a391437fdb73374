/**
 * Which variant multiplies which shape.
 *
 * @module
 */

import type { GemmShape, GemmVariant } from "./gemm.ts";

/** Workgroups that keep a large device busy. */
const WANTED_GROUPS = 512;
/** Most parts that k is split into: more cost more to add up. */
const MOST_SPLITS = 32;

/** A pure function of the shape, so that a resumed run computes the same. */
export function chooseGemm({ M, N, K }: GemmShape): GemmVariant {
  const small = Math.min(M, N) <= 32;
  const [tileM, tileN, tileK] = small ? [32, 32, 16] : [64, 64, 16];
  const tiles = Math.ceil(M / tileM) * Math.ceil(N / tileN);
  const deep = Math.floor(K / (8 * tileK));
  const splitK = Math.max(
    1,
    Math.min(Math.floor(WANTED_GROUPS / tiles), deep, MOST_SPLITS),
  );
  return { tileM, tileN, tileK, perThread: 4, splitK };
}
