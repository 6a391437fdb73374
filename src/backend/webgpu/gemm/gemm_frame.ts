/**
 * What all tiled products have in common, however they multiply: what they
 * bind, which tile a workgroup has, and where results and sums go.
 *
 * @module
 */

import {
  bind,
  type Binding,
  type Bound,
  type GpuTensor,
  isSame,
  type Workgroups,
} from "../dispatch.ts";
import { storedVectors } from "../shader/two_byte_access.ts";
import type { Epilogue } from "./gemm_epilogue.ts";
import type { Factor } from "./gemm_factor.ts";
import type { Results, Summing } from "./gemm_store.ts";
import type { GemmShape, GemmVariant } from "./gemm_variant.ts";

/** The tensors of a product. */
export interface GemmTensors {
  readonly a: GpuTensor;
  readonly b: GpuTensor;
  readonly bias?: GpuTensor;
  readonly addTo?: GpuTensor;
  /** Its rows may be filled up if there is none of the others. */
  readonly out: GpuTensor;
  /** Sums over the rows of `b`, not transposed; N is a multiple of 4. */
  readonly sums?: { readonly addTo?: GpuTensor; readonly out: GpuTensor };
  /** Takes the results in place of `out`; N is a multiple of 4. */
  readonly epilogue?: Epilogue;
  /**
   * Powers of two that the factors are multiplied by while they are f16, so
   * that none of their numbers is too small for it; 1 if absent.
   */
  readonly scales?: { readonly a: number; readonly b: number };
}

/** What a workgroup makes, around its loop over k. */
export interface GemmFrame {
  readonly bindings: readonly Binding[];
  readonly a: Factor;
  readonly b: Factor;
  /** Absent where there are none. */
  readonly summing?: Summing;
  /** WGSL before the entry point. */
  readonly declarations: string;
  /** WGSL: where the tile begins, `fromM`, `fromN`, `fromK`, and `toK`. */
  readonly place: string;
  readonly workgroups: Workgroups;
  readonly results: Results;
}

/** What a product is, and how it is to be made. */
interface FrameOptions {
  readonly shape: GemmShape;
  readonly variant: GemmVariant;
  /**
   * Factors that are to be read eight numbers of two bytes at a time, as they
   * are stored, where rows allow.
   */
  readonly quads?: { readonly a?: boolean; readonly b?: boolean };
}

/** The frame of a product; with k split, that of the parts. */
export function gemmFrame(
  tensors: GemmTensors,
  options: FrameOptions,
): GemmFrame {
  const { a, b, bias, addTo, out, sums, epilogue } = tensors;
  const { shape, variant } = options;
  const { M, N, K, transA, transB } = shape;
  const { tileM, tileN, tileK, splitK } = variant;
  const { bindings, names, ways } = bindProduct(tensors, options);
  const ending = epilogue?.code(names);
  const lengthOut = out.row ?? N;
  const part = M * lengthOut + (sums ? N : 0);
  const base = splitK > 1 ? `group.z * ${part}u + ` : "";
  const perSplit = Math.ceil(K / splitK / tileK) * tileK;
  const tilesM = Math.ceil(M / tileM), tilesN = Math.ceil(N / tileN);
  // Neighbours have the tile in common of which there are more, so that each
  // comes from memory once; all of the others stay in the cache.
  const alongM = tilesM < tilesN;
  return {
    bindings,
    a: {
      // What fills up rows of factors are zeros, which may be read as well.
      ...{ name: names.a, tile: tileM },
      ...transA ? { size: ways.a.length, K } : { size: M, K: ways.a.length },
      ...{ alongK: !transA, vector: ways.a.vector, dtype: a.dtype },
      quads: ways.a.quads,
    },
    b: {
      ...{ name: names.b, tile: tileN },
      ...transB ? { size: N, K: ways.b.length } : { size: ways.b.length, K },
      ...{ alongK: transB, vector: ways.b.vector, dtype: b.dtype },
      quads: ways.b.quads,
    },
    summing: sums && {
      N,
      out: names.sumsOut,
      base: splitK > 1 ? `${base}${M * N}u + ` : "",
      before: sums.addTo && names.sumsBefore,
    },
    declarations: ending?.declarations ?? "",
    place: `
  let fromM = group.${alongM ? "x" : "y"} * ${tileM}u;
  let fromN = group.${alongM ? "y" : "x"} * ${tileN}u;
  let fromK = group.z * ${perSplit}u;
  let toK = min(fromK + ${perSplit}u, ${K}u);`,
    workgroups: alongM ? [tilesM, tilesN, splitK] : [tilesN, tilesM, splitK],
    results: {
      // Behind the ends of rows anything may be stored.
      ...{ shape: { ...shape, N: lengthOut }, base, out: names.out },
      dtype: out.dtype,
      bias: bias && names.bias,
      addTo: addTo && storedVectors(addTo, names.addTo),
      ending,
      guardRow: M % tileM !== 0,
      guardColumn: lengthOut % tileN !== 0,
    },
  };
}

/** How a factor is read. */
interface FactorWay {
  /** Numbers from one row to the next. */
  readonly length: number;
  /** Four numbers at a time, or eight as they are stored. */
  readonly vector: boolean;
  readonly quads: boolean;
}

/** Binds the tensors of a product, in vectors where rows allow. */
function bindProduct(
  { a, b, bias, addTo, out, sums, epilogue }: GemmTensors,
  { shape: { M, N, K, transA, transB }, quads = {} }: FrameOptions,
): Bound<string> & { ways: Record<"a" | "b", FactorWay> } {
  const fits = (n: number) => n % 4 === 0;
  const read = { bias, addTo, sumsBefore: sums?.addTo, ...epilogue?.read };
  const write = { ...epilogue?.write ?? { out }, sumsOut: sums?.out };
  const others = Object.values({ ...read, ...write, ...epilogue?.whole });
  /** A tensor that is bound for something else, too, is so in one way. */
  const isAlone = (one: GpuTensor, other: GpuTensor) =>
    [other, ...others].every((tensor) => !tensor || !isSame(tensor, one));
  const wayOf = (side: "a" | "b", row: number): FactorWay => {
    const [one, other] = side === "a" ? [a, b] : [b, a];
    const length = one.row ?? row;
    return {
      length,
      vector: fits(length),
      quads: quads[side] === true && length % 8 === 0 && isAlone(one, other),
    };
  };
  const ways = {
    a: wayOf("a", transA ? M : K),
    b: wayOf("b", transB ? K : N),
  };
  const bound = bind<string, string>({
    read: { a, b, ...read, ...epilogue?.whole } as Record<string, GpuTensor>,
    write: write as Record<string, GpuTensor>,
  }, {
    quads: [...ways.a.quads ? ["a"] : [], ...ways.b.quads ? ["b"] : []],
    vector: [
      ...ways.a.vector ? ["a"] : [],
      ...ways.b.vector ? ["b"] : [],
      ...fits(out.row ?? N) ? Object.keys({ ...read, ...write }) : [],
    ],
  });
  return { ...bound, ways };
}
