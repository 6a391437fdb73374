/**
 * Copies in two bytes of factors that are stored in f32: weights, and the
 * gradient of the residual stream.
 *
 * A matrix unit takes factors in two bytes, and each workgroup of a product
 * reads and rounds its own tiles of them. A copy costs 6 bytes a number once
 * and saves 2 at each of these reads, half of the registers that they go
 * through, and their rounding. It has the same bits as what a product rounds
 * by itself; only sums for a bias are of what is rounded, as they are behind
 * GELU. It lasts to the end of its phase, or until its factor is written.
 *
 * @module
 */

import type { AnyCall } from "../../../graph/ops.ts";
import type { PlacedTensor } from "../../../graph/program.ts";
import type { Dispatch, GpuTensor, Memory, TwoBytes } from "../dispatch.ts";
import {
  type GemmShape,
  type GemmVariant,
  shapeOf,
} from "../gemm/gemm_variant.ts";
import { MOST_GEMV_ROWS } from "../gemv/gemv_plan.ts";
import { elementwise } from "../shader/elementwise.ts";
import { type Fused, type FusedProduct, inWords } from "./fusion.ts";

/** A factor of some products on matrix units, which is stored in f32. */
export interface FactorUse {
  readonly factor: GpuTensor;
  /** What the unit takes. */
  readonly scalar: TwoBytes;
  /** What it multiplies them by. */
  readonly scale: number;
  /** How often each of its numbers is read. */
  readonly reads: number;
}

/**
 * As often a factor has to be read in a phase, at least. A weight's copy takes
 * memory from its first product to its last, so that few rows, those of a
 * prompt, are not worth it.
 */
const FEWEST_READS = { weight: 16, temporary: 6 };

/**
 * Neighbours in one piece of memory are copied by one dispatch if so many
 * numbers at most are between them, and together they are so many at most: it
 * then takes as long as some dispatches take to begin.
 */
const MOST_BETWEEN = 2 ** 16, MOST_TOGETHER = 2 ** 22;

/** A part of a piece of memory, and where its copy goes. */
interface Copied {
  readonly source: GpuTensor;
  readonly copy: GpuTensor;
}

/** The copies of one phase, made as its products ask for them. */
export class FactorCopies {
  readonly #parts = new Map<GpuTensor, Copied>();
  /** Those that are worth as much as what they were made from. */
  readonly #fresh = new Set<Copied>();
  /** Those that the dispatches of this call write. */
  readonly #pending = new Set<Copied>();
  #made: Dispatch[] = [];

  /** @param uses All of the phase. */
  constructor(phase: string, uses: readonly FactorUse[]) {
    for (const part of partsOf(worthCopying(uses))) {
      const copied = copyOf(part, phase);
      for (const { factor } of part) this.#parts.set(factor, copied);
    }
  }

  /** The copy of a factor as a unit takes it, if there is one. */
  of(factor: GpuTensor, scalar: TwoBytes): GpuTensor | undefined {
    const copied = this.#parts.get(factor);
    if (copied?.copy.dtype !== scalar) return undefined;
    const { source, copy } = copied;
    if (!this.#fresh.has(copied)) {
      this.#fresh.add(copied);
      this.#made.push(elementwise("round", {
        n: source.length,
        read: { x: source },
        write: { out: copy },
        body: (at) => `${at.out} = ${at.x};`,
      }));
    }
    const offset = (factor.offset - source.offset) / 2;
    return { ...copy, length: factor.length, offset };
  }

  /** The copy of a result, if the kernel that makes it is to write it too. */
  beside(result: GpuTensor): GpuTensor | undefined {
    const copied = this.#parts.get(result);
    if (!copied || !isTemporary(result)) return undefined;
    this.#pending.add(copied);
    return copied.copy;
  }

  /** The dispatches of a call, behind those of the copies that it asked for. */
  around(dispatches: readonly Dispatch[]): Dispatch[] {
    const made = this.#made;
    this.#made = [];
    for (const { bindings } of dispatches) {
      for (const { tensor, written } of bindings) {
        if (!written) continue;
        for (const copied of this.#fresh) {
          if (copied.source.memory !== tensor.memory) continue;
          this.#fresh.delete(copied);
        }
      }
    }
    for (const copied of this.#pending) this.#fresh.add(copied);
    this.#pending.clear();
    return [...made, ...dispatches];
  }
}

/** How the products on matrix units of a phase use factors in f32. */
export function findFactorUses(
  calls: readonly AnyCall<PlacedTensor>[],
  { fused, viewOf, gemmVariant, factorScale }: {
    fused: readonly Fused[];
    viewOf: (tensor: PlacedTensor) => GpuTensor;
    gemmVariant: (shape: GemmShape) => GemmVariant;
    factorScale: (factor: GpuTensor) => number;
  },
): FactorUse[] {
  const neighbours = new Map<unknown, FusedProduct>();
  for (const { what } of fused) {
    if ("product" in what) neighbours.set(what.product, what);
  }
  return calls.flatMap((call): FactorUse[] => {
    if (call.op !== "matmul" || call.attrs.M <= MOST_GEMV_ROWS) return [];
    const fusion = neighbours.get(call);
    const shape = shapeOf(call.attrs, fusion && inWords(fusion));
    const variant = gemmVariant(shape);
    if (variant.flow !== "matrix") return [];
    const { M, N, K, transA, transB } = shape;
    const { unit: { scalar }, tileM, tileN } = variant;
    const sides = [
      { factor: viewOf(call.in.a), row: transA ? M : K, tiles: N / tileN },
      { factor: viewOf(call.in.b), row: transB ? K : N, tiles: M / tileM },
    ];
    return sides.flatMap(({ factor, row, tiles }) => {
      if (factor.dtype !== "f32" || row % 4 !== 0) return [];
      const scale = scalar === "f16" ? factorScale(factor) : 1;
      return [{ factor, scalar, scale, reads: Math.ceil(tiles) }];
    });
  });
}

/** Factors that are read often enough, each once. */
function worthCopying(uses: readonly FactorUse[]): FactorUse[] {
  const sums = new Map<GpuTensor, FactorUse>();
  for (const use of uses) {
    const before = sums.get(use.factor)?.reads ?? 0;
    sums.set(use.factor, { ...use, reads: before + use.reads });
  }
  return [...sums.values()].filter(({ factor, reads }) =>
    reads >= FEWEST_READS[isTemporary(factor) ? "temporary" : "weight"]
  );
}

function isTemporary({ memory: { lifetime } }: GpuTensor): boolean {
  return typeof lifetime === "object";
}

/** Factors that are copied together. */
function partsOf(uses: readonly FactorUse[]): FactorUse[][] {
  const parts: FactorUse[][] = [];
  for (const inOne of Map.groupBy(uses, memoryOf).values()) {
    let part: FactorUse[] = [];
    for (const use of inOne.toSorted((a, b) => startOf(a) - startOf(b))) {
      const fits = part.length > 0 &&
        !isTemporary(use.factor) && // which has its place after another
        startOf(use) - endOf(part.at(-1)!) <= 4 * MOST_BETWEEN &&
        endOf(use) - startOf(part[0]) <= 4 * MOST_TOGETHER;
      if (fits) part.push(use);
      else parts.push(part = [use]);
    }
  }
  return parts;
}

const memoryOf = ({ factor }: FactorUse) => factor.memory;
const startOf = ({ factor }: FactorUse) => factor.offset;
const endOf = ({ factor }: FactorUse) => factor.offset + 4 * factor.length;

/** Where a part goes, whose factors a device's one unit takes alike. */
function copyOf(part: readonly FactorUse[], phase: string): Copied {
  const [{ factor: { memory, offset, dtype }, scalar, scale }] = part;
  const length = (endOf(part.at(-1)!) - offset) / 4;
  const copy: Memory = {
    name: `${memory.name} in ${scalar}`,
    sizeBytes: 2 * length,
    lifetime: { phase },
  };
  return {
    source: { dtype, length, memory, offset },
    copy: {
      ...{ dtype: scalar, length, memory: copy, offset: 0 },
      ...scale !== 1 && { scale },
    },
  };
}
