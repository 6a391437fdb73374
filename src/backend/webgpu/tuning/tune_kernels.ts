/**
 * Finds out which kernels are fastest at the sites of a program.
 *
 * The product with most work is computed by every candidate; the best few of
 * those by the others, from most work to least, each with its own neighbours,
 * fused and apart, as long as there is time. What is left takes the fastest
 * that has enough tiles for it, and is open for the next run.
 *
 * Nobody knows beforehand how long a driver compiles and how slow a device is:
 * nothing is begun that, going by the slowest so far, would end too late. Nor
 * whether it compiles all: ways that fail together are tried one by one, and
 * those that fail alone are left out.
 *
 * @module
 */

import { ENOUGH_TILES, formatGemm, misfit } from "../choice/gemm_choice.ts";
import type { GemmShape, GemmTile, GemmVariant } from "../gemm/gemm_variant.ts";
import { splitByWaves } from "../choice/gemm_waves.ts";
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

/** A way that a device does not compile. */
export interface Refused {
  /** In its driver's words. */
  readonly why: string;
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
  /** Null where the device has not the memory. */
  tryOut(
    site: KernelSite,
    way: KernelChoice,
  ): Promise<KernelTrial | Refused | null>;
  /** Milliseconds of each, with care; null if one of them cannot run. */
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
  /** By the clock; by what compiles where there is too little to time. */
  readonly timed: ReadonlyMap<string, KernelChoice>;
  /** By what was fast elsewhere, for want of time. */
  readonly guessed: ReadonlyMap<string, KernelChoice>;
  /** What the device does not compile. */
  readonly refused: readonly RefusedWay[];
}

/** A way that was left out at a site. */
export interface RefusedWay extends Refused {
  /** Its key. */
  readonly site: string;
  readonly way: KernelChoice;
}

/** Tunes; see the module. */
export async function tuneKernels(tuning: Tuning): Promise<Tuned> {
  const tuner = new Tuner(tuning);
  for (const site of tuning.sites) {
    if (siteFlops(site) < LEAST_FLOPS) continue;
    if (!await tuner.tune(site)) break;
  }
  tuner.avoidRefused();
  return tuner;
}

/** Tuning as it goes on, site by site. */
class Tuner implements Tuned {
  readonly timed = new Map<string, KernelChoice>();
  readonly guessed = new Map<string, KernelChoice>();
  readonly refused: RefusedWay[] = [];
  readonly #tuning: Tuning;
  readonly #end: number;
  /** Tiles, the fastest first, once that is known. */
  #ranked: readonly GemmTile[];
  /** Of as many ways as are compiled at once. */
  #longestMs = 0;

  constructor(tuning: Tuning) {
    this.#tuning = tuning;
    this.#end = tuning.now() + tuning.limitMs;
    this.#ranked = tuning.best;
  }

  /** Does what there is time for. @returns Whether the rest may go on. */
  async tune(site: KernelSite): Promise<boolean> {
    const { ways } = this.#tuning;
    const key = siteKey(site), part = shrinkSite(site, MOST_FLOPS[site.kind]);
    if (part.kind === "matmul" && this.#ranked.length === 0) {
      return await this.#tuneFirst(site, { key, part });
    }
    const all = ways(site, this.#ranked);
    if (await this.#compare({ key, part }, this.#unrefused(all))) return true;
    const [likely] = this.#unrefused(all);
    if (!("splitK" in likely)) {
      // What is taken where nothing is said does not compile.
      if (likely !== all[0]) this.guessed.set(key, likely);
    } else {
      this.guessed.set(
        key,
        likely.flow === "matrix" || site.kind !== "matmul"
          ? likely
          : withEnoughTiles(site.shape, this.#unrefused(this.#ranked)),
      );
    }
    return true;
  }

  /**
   * Another way for what would be computed by one that is refused: one that was
   * found out after it was guessed, or that is taken where nothing is said.
   */
  avoidRefused(): void {
    if (this.refused.length === 0) return;
    const { sites, ways } = this.#tuning;
    for (const site of sites) {
      const key = siteKey(site);
      if (this.timed.has(key)) continue;
      const usual = ways(site, []);
      const taken = this.guessed.get(key) ?? usual[0];
      if (!this.#isRefused(taken)) continue;
      const all = [...ways(site, this.#ranked), ...usual];
      const [other] = this.#unrefused(all);
      // The next run has no more reason to time what is small.
      const isSmall = siteFlops(site) < LEAST_FLOPS;
      (isSmall ? this.timed : this.guessed).set(key, other);
    }
  }

  /** The first product, which all candidates compute. */
  async #tuneFirst(
    site: KernelSite,
    { key, part }: { key: string; part: GemmSite },
  ): Promise<boolean> {
    const { ways } = this.#tuning;
    const { order, suiting, isAlone } = await this.#race(
      { key, part },
      this.#unrefused(ways(site, [])),
    );
    if (order.length === 0) return true;
    this.timed.set(key, order[0]);
    if (isAlone) return false; // which says nothing of the others
    this.#ranked = suiting.map(tileOf);
    // What is left to try with the fastest: its neighbours, other parts.
    const known = order.map(formatChoice);
    const others = ways(site, this.#ranked)
      .filter((way) => !known.includes(formatChoice(way)));
    await this.#compare({ key, part }, [order[0], ...others]);
    return true;
  }

  /** Measures work on so many ways. */
  async #clocked<T>(count: number, work: () => Promise<T>): Promise<T> {
    const { now, atOnce } = this.#tuning;
    const start = now();
    const result = await work();
    const turns = Math.ceil(count / atOnce);
    this.#longestMs = Math.max(this.#longestMs, (now() - start) / turns);
    return result;
  }

  /** How many ways there is likely to be time for. */
  #affordable(): number {
    const { now, atOnce } = this.#tuning;
    if (this.#longestMs === 0) return Infinity;
    return atOnce * Math.floor((this.#end - now()) / this.#longestMs);
  }

  /** Without tiles that were refused at any site, unless that is all. */
  #unrefused<T extends KernelChoice | GemmTile>(
    all: readonly T[],
  ): readonly T[] {
    const rest = all.filter((one) => !this.#isRefused(one));
    return rest.length > 0 ? rest : all;
  }

  #isRefused(one: KernelChoice | GemmTile): boolean {
    const name = tileName(one);
    return this.refused.some(({ way }) => tileName(way) === name);
  }

  #refuse(site: string, way: KernelChoice, { why }: Refused): void {
    const name = formatChoice(way);
    const isKnown = this.refused.some((one) =>
      one.site === site && formatChoice(one.way) === name
    );
    if (!isKnown) this.refused.push({ site, way, why });
  }

  /** Sets the fastest of as many ways as there is time for. */
  async #compare(
    { key, part }: KeyedSite,
    all: readonly KernelChoice[],
  ): Promise<boolean> {
    const { atOnce, compile, tryOut, time } = this.#tuning;
    // The first tell how long a driver takes; their shaders stay compiled.
    if (this.#longestMs === 0) {
      const first = all.slice(0, atOnce);
      await this.#clocked(first.length, async () => {
        await compile(part, first);
        const trial = await tryOut(part, all[0]);
        if (trial && "why" in trial) this.#refuse(key, all[0], trial);
      });
    }
    const some = all.slice(0, Math.max(0, this.#affordable()));
    if (some.length < 2) return false;
    const times = await this.#clocked(some.length, () => time(part, some));
    if (times) {
      this.timed.set(key, some[orderOf(times)[0]]);
      return true;
    }
    const { tried, trials } = await this.#tryAll({ key, part }, some);
    if (tried.length === 0) return false;
    const again = await this.#timesOf(part, { tried, trials });
    this.timed.set(key, tried[orderOf(again)[0]]);
    return true;
  }

  /** Those that run, each by itself, as far as there is time. */
  async #tryAll<T extends KernelChoice>(
    { key, part }: KeyedSite,
    all: readonly T[],
  ): Promise<Tried<T> & { isOver: boolean }> {
    const { atOnce, compile, tryOut } = this.#tuning;
    const tried: T[] = [], trials: KernelTrial[] = [];
    for (const [i, way] of all.entries()) {
      if (this.#affordable() < 1) return { tried, trials, isOver: true };
      if (i % atOnce === 0) {
        const next = all.slice(i, i + atOnce);
        await this.#clocked(next.length, () => compile(part, next));
      }
      const trial = await this.#clocked(1, () => tryOut(part, way));
      if (trial === null) continue;
      if ("why" in trial) {
        this.#refuse(key, way, trial);
        continue;
      }
      tried.push(way);
      trials.push(trial);
    }
    return { tried, trials, isOver: false };
  }

  /** Milliseconds of each: with care if there is time, else as tried. */
  async #timesOf(
    part: KernelSite,
    { tried, trials }: Tried<KernelChoice>,
  ): Promise<number[]> {
    const { now, time } = this.#tuning;
    const timingMs = trials.reduce((sum, trial) => sum + trial.timingMs, 0);
    return now() + timingMs <= this.#end && await time(part, tried) ||
      trials.map(({ ms }) => ms);
  }

  /**
   * All candidates that are not far from the fastest: it first in `order`, in
   * `suiting` what would be first if all suited the shape; `isAlone` if there
   * was no time for more than one.
   */
  async #race(
    { key, part }: { key: string; part: GemmSite },
    all: readonly KernelChoice[],
  ): Promise<
    { order: GemmVariant[]; suiting: GemmVariant[]; isAlone: boolean }
  > {
    const variants = all as readonly GemmVariant[]; // of a product
    const { isOver, ...some } = await this.#tryAll({ key, part }, variants);
    const { tried } = some;
    if (tried.length === 0) return { order: [], suiting: [], isAlone: false };
    const times = await this.#timesOf(part, some);
    const order = orderOf(times), least = times[order[0]];
    const near = order.filter((i) => times[i] <= MOST_TIMES * least);
    const suited = times.map((ms, i) => ms / misfit(part.shape, tried[i]));
    const suiting = orderOf(suited).filter((i) => near.includes(i));
    return {
      order: near.map((i) => tried[i]),
      suiting: suiting.map((i) => tried[i]),
      isAlone: tried.length === 1 && isOver,
    };
  }
}

/** A site as it is timed, with the key of the whole. */
interface KeyedSite {
  readonly key: string;
  readonly part: KernelSite;
}

/** Ways that ran, and what that told. */
interface Tried<T extends KernelChoice> {
  readonly tried: T[];
  readonly trials: KernelTrial[];
}

/** Indices, from the smallest number to the largest. */
function orderOf(times: readonly number[]): number[] {
  return [...times.keys()].sort((a, b) => times[a] - times[b]);
}

/** A product's but for its parts; what attention is computed by. */
function tileName(way: KernelChoice | GemmTile): string {
  return "tileM" in way ? formatGemm(way) : formatChoice(way);
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
