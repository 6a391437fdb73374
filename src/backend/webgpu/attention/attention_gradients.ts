/**
 * What the kernels of attention's gradient have in common: their tensors, what
 * their shaders declare, and where ds is kept.
 *
 * @module
 */

import type { GpuTensor } from "../dispatch.ts";
import type { KernelContext } from "../kernel.ts";
import { dropoutFunctions } from "../shader/philox.ts";
import { headLoader } from "./attention_heads.ts";
import { productMemory } from "./attention_products.ts";
import type { AttentionShape } from "./attention_tile.ts";

/** The op of all their dispatches. */
export const GRADIENT_LABEL = "attentionBackward";

/** What they read and write. */
export interface GradientTensors {
  readonly dOut: GpuTensor;
  readonly qkv: GpuTensor;
  readonly lse: GpuTensor;
  readonly rng?: GpuTensor;
  /** See `siteTable`. */
  readonly site?: GpuTensor;
  /** dOut . out of every row of every head, (B, H, T). */
  readonly rowDots: GpuTensor;
  readonly dQkv: GpuTensor;
  /** ds of every tile, (B, H, pairs, rows, threads) vectors along queries. */
  readonly slopes?: GpuTensor;
}

/** Tiles of scores of a head: those on and below the diagonal. */
export function pairs({ tiles }: AttentionShape): number {
  return tiles * (tiles + 1) / 2;
}

/** WGSL: where thread `lane` finds its first vector of a tile in `slopes`. */
export function slopeAt(
  shape: AttentionShape,
  { head, queryTile, keyTile }: Record<
    "head" | "queryTile" | "keyTile",
    string
  >,
): string {
  const pair = `${queryTile} * (${queryTile} + 1u) / 2u + ${keyTile}`;
  return `(${head} * ${pairs(shape)}u + ${pair}) * ${
    shape.rows * shape.threads
  }u + lane`;
}

/**
 * WGSL: what a kernel that computes the scores again declares.
 *
 * @param names Variables of the tensors; `rng` where there is dropout.
 */
export function gradientDeclarations(
  { dOut, qkv, rng, site }: Record<"dOut" | "qkv" | "rng" | "site", string>,
  shape: AttentionShape,
  context: KernelContext,
): string {
  return `
${rng ? dropoutFunctions({ p: shape.p, site, rng }, context) : ""}
${headLoader(qkv, shape)}
${dOut === qkv ? "" : headLoader(dOut, shape)}
${productMemory(shape)}
`;
}
