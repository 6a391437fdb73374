/**
 * Finds out which kernels are fastest at the sites of a program.
 *
 * The product with most work is computed by every candidate; the best few of
 * those by the others, from most work to least, each with its own neighbours,
 * fused and apart, as long as there is time. What is left takes the fastest
 * that has enough tiles for it, and is open for the next run.
 *
 * Nobody knows beforehand how long a driver compiles and how slow a device is:
 * nothing is begun that, going by the slowest so far, would end too late.
 *
 * @module
 */

import { ENOUGH_TILES, misfit } from "../gemm/gemm_choice.ts";
import type { GemmShape, GemmTile, GemmVariant } from "../gemm/gemm_variant.ts";
import { splitByWaves } from "../gemm/gemm_waves.ts";
import { formatChoice, type KernelChoice } from "./kernel_choice.ts";
import {
  type GemmSite,
  type KernelSite,
  shrinkSite,
  siteFlops,
  siteKey,
} from "./kernel_sites.ts";

/** Candidates that take more than so many times as long as the best are out. */
const MOST_TIMES = 1.35;
/** Below this much work per phase, launching is what takes time. */
const LEAST_FLOPS = 1e6;
/**
 * Sites with more are timed by fewer rows: half a second at 60 GFLOP/s, as
 * drivers reset a GPU that is busy for two. Attention is slower.
 */
const MOST_FLOPS = { matmul: 3e10, attention: 1e10, attentionBackward: 1e10 };

/** What trying out a choice tells. */
export interface KernelTrial {
  /** Milliseconds of one run of the site, roughly. */
  readonly ms: number;
  /** Milliseconds that it would take to time it with care. */
  readonly timingMs: number;
}

/** What tuning works with; tests bring their own clock. */
export interface Tuning {
  /** Most time first; see `programSites`. */
  readonly sites: readonly KernelSite[];
  /** Tiles that are known to be fast, the fastest first; none is no matter. */
  readonly best: readonly GemmTile[];
  /** See `ChosenKernels`. */
  ways(site: KernelSite, best: readonly GemmTile[]): readonly KernelChoice[];
  /** Ways that a driver compiles at a time. */
  readonly atOnce: number;
  /** Compiles ways, as far as it can: needed only to have it done at once. */
  compile(site: KernelSite, ways: readonly KernelChoice[]): Promise<void>;
  /** Null where the device has not the memory, or cannot compile it. */
  tryOut(site: KernelSite, way: KernelChoice): Promise<KernelTrial | null>;
  /** Milliseconds of each, with care; null as above. */
  time(
    site: KernelSite,
    ways: readonly KernelChoice[],
  ): Promise<number[] | null>;
  /** All of it takes that long, or as long as the first candidate. */
  readonly limitMs: number;
  readonly now: () => number;
}

/** Choices by the keys of sites. */
export interface Tuned {
  /** By the clock. */
  readonly timed: ReadonlyMap<string, KernelChoice>;
  /** By what was fast elsewhere, for want of time. */
  readonly guessed: ReadonlyMap<string, KernelChoice>;
}

/** Tunes; see the module. */
export async function tuneKernels(
  { sites, best, ways, atOnce, compile, tryOut, time, limitMs, now }: Tuning,
): Promise<Tuned> {
  const end = now() + limitMs;
  const timed = new Map<string, KernelChoice>();
  const guessed = new Map<string, KernelChoice>();
  let ranked = best;
  let longestMs = 0; // of as many ways as are compiled at once
  /** Measures work on so many ways. */
  const clocked = async <T>(count: number, work: () => Promise<T>) => {
    const start = now();
    const result = await work();
    const turns = Math.ceil(count / atOnce);
    longestMs = Math.max(longestMs, (now() - start) / turns);
    return result;
  };
  /** How many ways there is likely to be time for. */
  const affordable = () =>
    longestMs === 0 ? Infinity : atOnce * Math.floor((end - now()) / longestMs);

  for (const site of sites) {
    if (siteFlops(site) < LEAST_FLOPS) continue;
    const key = siteKey(site), part = shrinkSite(site, MOST_FLOPS[site.kind]);
    if (part.kind === "matmul" && ranked.length === 0) {
      const { order, suiting, tried } = await race(part, ways(site, []));
      if (tried === 0) continue;
      timed.set(key, order[0]);
      if (tried === 1) break; // which says nothing of the others
      ranked = suiting.map(tileOf);
      // What is left to try with the fastest: its neighbours, other parts.
      const known = order.map(formatChoice);
      await compare(key, part, [
        order[0],
        ...ways(site, ranked).filter((way) =>
          !known.includes(formatChoice(way))
        ),
      ]);
      continue;
    }
    const wasTimed = await compare(key, part, ways(site, ranked));
    if (!wasTimed && site.kind === "matmul") {
      const [likely] = ways(site, ranked) as readonly GemmVariant[];
      guessed.set(
        key,
        likely.flow === "matrix" ? likely : withEnoughTiles(site.shape, ranked),
      );
    }
  }
  return { timed, guessed };

  /** Sets the fastest of as many ways as there is time for. */
  async function compare(
    key: string,
    part: KernelSite,
    all: readonly KernelChoice[],
  ): Promise<boolean> {
    // The first tell how long a driver takes; their shaders stay compiled.
    if (longestMs === 0) {
      const first = all.slice(0, atOnce);
      await clocked(first.length, async () => {
        await compile(part, first);
        await tryOut(part, all[0]);
      });
    }
    const some = all.slice(0, Math.max(0, affordable()));
    if (some.length < 2) return false;
    const times = await clocked(some.length, () => time(part, some));
    if (!times) return false;
    timed.set(key, some[orderOf(times)[0]]);
    return true;
  }

  /**
   * All candidates that are not far from the fastest: it first in `order`, in
   * `suiting` what would be first if all suited the shape.
   */
  async function race(
    part: GemmSite,
    all: readonly KernelChoice[],
  ): Promise<
    { order: GemmVariant[]; suiting: GemmVariant[]; tried: number }
  > {
    const tried: GemmVariant[] = [], trials: KernelTrial[] = [];
    const variants = all as readonly GemmVariant[]; // of a product
    for (const [i, way] of variants.entries()) {
      if (affordable() < 1) break;
      if (i % atOnce === 0) {
        const next = variants.slice(i, i + atOnce);
        await clocked(next.length, () => compile(part, next));
      }
      const trial = await clocked(1, () => tryOut(part, way));
      if (!trial) continue;
      tried.push(way);
      trials.push(trial);
    }
    if (tried.length === 0) return { order: [], suiting: [], tried: 0 };
    const timingMs = trials.reduce((sum, trial) => sum + trial.timingMs, 0);
    const times = now() + timingMs <= end && await time(part, tried) ||
      trials.map(({ ms }) => ms);
    const order = orderOf(times), least = times[order[0]];
    const near = order.filter((i) => times[i] <= MOST_TIMES * least);
    const suited = times.map((ms, i) => ms / misfit(part.shape, tried[i]));
    const suiting = orderOf(suited).filter((i) => near.includes(i));
    return {
      order: near.map((i) => tried[i]),
      suiting: suiting.map((i) => tried[i]),
      tried: tried.length,
    };
  }
}

/** Indices, from the smallest number to the largest. */
function orderOf(times: readonly number[]): number[] {
  return [...times.keys()].sort((a, b) => times[a] - times[b]);
}

function tileOf(
  { splitK: _, apart: __, ...tile }: GemmVariant,
): GemmTile {
  return tile;
}

/**
 * The first with workgroups for all cores of a device; the smallest tile if
 * none has.
 */
function withEnoughTiles(
  shape: GemmShape,
  tiles: readonly GemmTile[],
): GemmVariant {
  const { M, N } = shape;
  const variants = tiles.map((tile): GemmVariant => ({
    ...tile,
    splitK: splitByWaves(shape, tile),
  }));
  const size = ({ tileM, tileN }: GemmTile) => tileM * tileN;
  return variants.find(({ tileM, tileN, splitK }) =>
    Math.ceil(M / tileM) * Math.ceil(N / tileN) * splitK >= ENOUGH_TILES
  ) ?? variants.reduce((a, b) => size(b) < size(a) ? b : a);
}
