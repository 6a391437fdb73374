/**
 * What is chosen for each site of a program on one device: what is known of
 * it, from files or by timing, else what is likely.
 *
 * @module
 */

import type { AttentionAttrs } from "../../../graph/ops.ts";
import type { KernelChoices } from "../../backend.ts";
import {
  type AttentionDevice,
  attentionWays,
  chooseAttention,
  formatAttention,
  knownAttention,
} from "../choice/attention_choice.ts";
import type { AttentionChoice } from "../attention/attention_tile.ts";
import type { AdapterInfo } from "../device/adapters.ts";
import {
  chooseGemm,
  formatGemm,
  formatVariant,
  type GemmAdapter,
  knownVariant,
  misfit,
  shapeKey,
  tunedCandidates,
} from "../choice/gemm_choice.ts";
import type { GemmShape, GemmTile, GemmVariant } from "../gemm/gemm_variant.ts";
import { MOST_SPLITS, splitByWaves } from "../choice/gemm_waves.ts";
import {
  attentionKey,
  type AttentionSite,
  type GemmSite,
  type KernelSite,
  siteKey,
} from "./kernel_sites.ts";

/** A choice for a site: a variant for products, a flow for attention. */
export type KernelChoice = GemmVariant | AttentionChoice;

/** Tiles that are tried where it is known which are fast here. */
const FINALISTS = 3;

/**
 * So much slower a tile is likely to be than the one before it. On units more is
 * counted of a shape: so what won at each site of shakespeare-char on an H200 is
 * one of the finalists.
 */
const RANK_COST = { thread: 0.1, matrix: 0.03 };

/** A choice as files have it. */
export function formatChoice(choice: KernelChoice): string {
  return "splitK" in choice ? formatVariant(choice) : formatAttention(choice);
}

/** The choices of one device. */
export class ChosenKernels {
  readonly #adapter: AdapterInfo & GemmAdapter;
  readonly #limits: Partial<GPUSupportedLimits>;
  /** By the keys of sites. */
  readonly #gemm = new Map<string, GemmVariant>();
  readonly #device: AttentionDevice;
  readonly #attention = new Map<string, AttentionChoice>();

  constructor(
    adapter: AdapterInfo & GemmAdapter,
    limits: Partial<GPUSupportedLimits>,
  ) {
    this.#adapter = adapter;
    this.#limits = limits;
    this.#device = { ...adapter, limits };
  }

  /** Takes what is said to be best, as far as it is known and can run. */
  take(choices: KernelChoices): void {
    for (const [key, text] of Object.entries(choices)) {
      const variant = knownVariant(text, this.#limits, this.#adapter.unit);
      const op = key.startsWith("attentionBackward ")
        ? "attentionBackward"
        : "attention";
      const attention = knownAttention(op, text, this.#device);
      if (variant) this.#gemm.set(key, variant);
      else if (attention) this.#attention.set(key, attention);
    }
  }

  /** How a product is computed. */
  gemm(shape: GemmShape): GemmVariant {
    return this.#gemm.get(shapeKey(shape)) ??
      // Runs of earlier versions have one variant for all neighbours.
      this.#gemm.get(shapeKey({ ...shape, neighbours: undefined })) ??
      chooseGemm(shape, this.#adapter, this.#limits);
  }

  /** How attention, or its gradient, is computed. */
  attention(op: AttentionSite["kind"], attrs: AttentionAttrs): AttentionChoice {
    return this.#attention.get(attentionKey(op, attrs)) ??
      chooseAttention({ op, attrs }, this.#device);
  }

  /** Whether a site is known. */
  has(site: KernelSite): boolean {
    return this.#gemm.has(siteKey(site)) || this.#attention.has(siteKey(site));
  }

  /** What is computed at sites. */
  inWords(sites: readonly KernelSite[]): KernelChoices {
    return Object.fromEntries(
      sites.map((site) => [siteKey(site), formatChoice(this.#of(site))]),
    );
  }

  /** The tiles of products that are known, most frequent first. */
  knownTiles(): GemmTile[] {
    const counts = new Map<string, { tile: GemmTile; count: number }>();
    for (
      const { splitK: _, apart: __, ...tile } of this.#gemm.values()
    ) {
      const name = formatGemm(tile);
      const { count } = counts.get(name) ?? { count: 0 };
      counts.set(name, { tile, count: count + 1 });
    }
    return [...counts.values()].toSorted((a, b) => b.count - a.count)
      .map(({ tile }) => tile);
  }

  /**
   * What is worth trying at a site, the likeliest first.
   *
   * @param best Tiles that are fast elsewhere, the fastest first; if there are
   * none, all that may be fast.
   */
  ways(site: KernelSite, best: readonly GemmTile[]): KernelChoice[] {
    if (site.kind !== "matmul") {
      return attentionWays({ op: site.kind, ...site }, this.#device);
    }
    return this.#gemmWays(site, best);
  }

  #gemmWays({ shape }: GemmSite, best: readonly GemmTile[]): GemmVariant[] {
    const split = (tile: GemmTile): GemmVariant => ({
      ...tile,
      splitK: splitByWaves(shape, tile),
    });
    const likely = tunedCandidates(this.#adapter, this.#limits, shape);
    if (best.length === 0) return likely.map(split);
    const names = best.map(formatGemm);
    const others = likely.filter((tile) => !names.includes(formatGemm(tile)));
    // Where a side is short, a smaller tile may leave less of itself idle; on
    // units, which tile fills the last wave makes more of a difference.
    const kindOf = ({ flow }: GemmTile) =>
      flow === "matrix" ? "matrix" : "thread";
    const kind = kindOf(best[0]);
    const cost = (tile: GemmTile, rank: number) =>
      misfit(shape, tile) * (1 + RANK_COST[kind] * rank);
    const tiles = [...best, ...others].filter((tile) => kindOf(tile) === kind)
      .map((tile, rank) => ({ tile, cost: cost(tile, rank) }))
      .toSorted((a, b) => a.cost - b.cost)
      .slice(0, FINALISTS).map(({ tile }) => split(tile));
    const [first] = tiles, { splitK } = first;
    return [
      ...tiles,
      ...shape.neighbours ? [{ ...first, apart: true }] : [],
      ...splitK > 1
        ? [
          { ...first, splitK: Math.ceil(splitK / 2) },
          { ...first, splitK: Math.min(2 * splitK, MOST_SPLITS) },
        ]
        : [],
    ];
  }

  #of(site: KernelSite): KernelChoice {
    return site.kind === "matmul"
      ? this.gemm(site.shape)
      : this.attention(site.kind, site.attrs);
  }
}
