/**
 * How the keys of a head are cut for a token, and shared out among threads.
 *
 * Sizes depend on shapes alone, so that sums have one order.
 *
 * @module
 */

import type { Call } from "../../../graph/ops.ts";

/** Threads of a workgroup. */
export const TOKEN_THREADS = 256;
/** Keys that a workgroup has at a time, about. */
const KEYS_AT_A_TIME = 64;
/** Vectors of keys, and as many of values, that a thread asks for at once. */
const MOST_VECTORS = 8;
/** Threads next to each other that share a head. */
const MOST_SLOTS = 64;
/** So few keys are faster one after another than with a second dispatch. */
const FEW_KEYS = 320;
/** Workgroups that are enough for a large device, of which most may be idle. */
const ENOUGH_PARTS = 1024;

/** Sizes of a call. */
export type TokenAttrs = Call<"attentionCached", unknown>["attrs"];

/** How the keys of a head are cut. */
export interface TokenShape {
  readonly D: number;
  /** Vectors of a head, the last one padded with 0. */
  readonly D4: number;
  /** Whether heads can be read as vectors. */
  readonly vector: boolean;
  /** Vectors of a head that a thread has, and threads that share one. */
  readonly perThread: number;
  readonly slots: number;
  /** Keys next to each other, one for each group of such threads. */
  readonly across: number;
  /** How many of those a thread has at a time, and how often in a part. */
  readonly deep: number;
  readonly turns: number;
  /** Keys of a part. */
  readonly partKeys: number;
  readonly parts: number;
}

/**
 * Fixes how a call is cut.
 *
 * @param options.isSoftware One part per head then, as idle ones take longer
 * there than short contexts: 15 us each with llvmpipe on a Zen 5 server.
 */
export function tokenShape(
  { S, H, D }: TokenAttrs,
  { isSoftware }: { isSoftware: boolean },
): TokenShape {
  const D4 = Math.ceil(D / 4);
  const perThread = Math.ceil(D4 / MOST_SLOTS);
  const slots = Math.ceil(D4 / perThread);
  const across = Math.min(Math.floor(TOKEN_THREADS / slots), KEYS_AT_A_TIME);
  const deep = Math.max(
    1,
    Math.min(
      Math.ceil(KEYS_AT_A_TIME / across),
      Math.floor(MOST_VECTORS / perThread),
    ),
  );
  const keys = across * deep;
  const all = Math.ceil(S / keys);
  const turns = isSoftware || S <= FEW_KEYS
    ? all
    : Math.ceil(all * H / ENOUGH_PARTS);
  return {
    ...{ D, D4, vector: D % 4 === 0, perThread, slots, across, deep, turns },
    partKeys: keys * turns,
    parts: Math.ceil(all / turns),
  };
}
