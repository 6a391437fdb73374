/** A device that is made up, for what tuning makes of it. @module */

import {
  formatGemm,
  parseGemm,
} from "../../../src/backend/webgpu/choice/gemm_choice.ts";
import type {
  GemmShape,
  GemmTile,
  GemmVariant,
} from "../../../src/backend/webgpu/gemm/gemm_variant.ts";
import {
  formatChoice,
  type KernelChoice,
} from "../../../src/backend/webgpu/tuning/kernel_choice.ts";
import {
  type KernelSite,
  siteKey,
} from "../../../src/backend/webgpu/tuning/kernel_sites.ts";
import type {
  KernelTrial,
  Refused,
} from "../../../src/backend/webgpu/tuning/tune_kernels.ts";

export const product = (M: number, N: number, K: number): GemmShape => ({
  ...{ M, N, K, transA: false, transB: false },
});
export const site = (shape: GemmShape): KernelSite => ({
  kind: "matmul",
  shape,
});
export const sites = (...shapes: GemmShape[]) => shapes.map(site);

/** A device where each way takes the time that is given for its tile. */
export function device(
  times: Record<string, number>,
  { compileMs = 10, timingMs = 10, atOnce = 1 } = {},
) {
  const did: string[] = [];
  let nowMs = 0;
  const msOf = (way: KernelChoice) =>
    "splitK" in way
      ? times[formatGemm(way)] * (way.apart ? 1.5 : 1)
      : times[formatChoice(way)];
  return {
    did,
    best: [] as GemmTile[],
    atOnce,
    now: () => nowMs,
    compile(one: KernelSite, ways: readonly KernelChoice[]) {
      if (atOnce === 1) return Promise.resolve();
      did.push(`compile ${siteKey(one)}: ${ways.length}`);
      nowMs += compileMs;
      return Promise.resolve();
    },
    ways({ ...one }: KernelSite, best: readonly GemmTile[]): KernelChoice[] {
      if (one.kind !== "matmul") {
        return [{ flow: "staged" }, { flow: "direct" }];
      }
      const all = Object.keys(times).filter((name) => /^\d/.test(name));
      const tiles = best.length > 0 ? best : all.map(parseGemm);
      const ways = tiles.map((tile): GemmVariant => ({ ...tile, splitK: 1 }));
      const hasMore = best.length > 0 && one.shape.neighbours;
      return hasMore ? [...ways, { ...ways[0], apart: true }] : ways;
    },
    tryOut(one: KernelSite, way: KernelChoice) {
      did.push(`${siteKey(one)}: ${formatChoice(way)}`);
      nowMs += compileMs;
      return Promise.resolve<KernelTrial | Refused | null>({
        ms: msOf(way),
        timingMs,
      });
    },
    time(one: KernelSite, ways: readonly KernelChoice[]) {
      did.push(`${siteKey(one)}: ${ways.length}`);
      nowMs += timingMs * ways.length;
      return Promise.resolve<number[] | null>(ways.map(msOf));
    },
  };
}

export function inWords(chosen: ReadonlyMap<string, KernelChoice>): string[] {
  return [...chosen].map(([key, one]) => `${key}: ${formatChoice(one)}`);
}

export const SMALL = "32x32x16 4x4 staged row";
export const MIDDLE = "64x64x16 8x8 ahead block";
export const LARGE = "128x128x16 8x8 ahead block";
