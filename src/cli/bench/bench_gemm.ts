/**
 * `hearth bench gemm`: matrix products at the shapes of real models.
 *
 * @module
 */

import type { Backend } from "../../backend/backend.ts";
import type { TwoBytes } from "../../backend/webgpu/dispatch.ts";
import { formatGemm } from "../../backend/webgpu/choice/gemm_choice.ts";
import { splitByWaves } from "../../backend/webgpu/choice/gemm_waves.ts";
import { MOST_GEMV_ROWS } from "../../backend/webgpu/gemv/gemv_plan.ts";
import { timeGemm } from "../../backend/webgpu/tuning/time_kernels.ts";
import type { WebGpuBackend } from "../../backend/webgpu/webgpu_backend.ts";
import { EXIT, UserError } from "../../base/errors.ts";
import { Graph } from "../../graph/graph.ts";
import { plan } from "../../graph/plan.ts";
import { formatTable } from "../output/table.ts";
import { measure, spreadPct, summarize, type Timing } from "./timing.ts";

/** `out (M, N) = op(a) (M, K) * op(b) (K, N)`. */
export interface Product {
  readonly label: string;
  readonly M: number;
  readonly N: number;
  readonly K: number;
  readonly transA?: boolean;
  readonly transB?: boolean;
}

/** What came out for one product. */
export interface ProductFigures extends Product {
  /** On a GPU: how it was computed, and into how many parts k was split. */
  readonly variant?: string;
  readonly splitK?: number;
  /** On a GPU: how both factors were stored. */
  readonly factors?: "f32" | TwoBytes;
  readonly time: Timing;
  readonly gflops: number;
  /** At which the larger matrix is read: what limits a single row. */
  readonly gbPerSec: number;
}

/** Forward, and both gradients, of a product of (rows, K) by (K, N). */
function layer(label: string, rows: number, N: number, K: number): Product[] {
  return [
    { label, M: rows, N, K },
    { label: `${label} dx`, M: rows, N: K, K: N, transB: true },
    { label: `${label} dw`, M: K, N, K: rows, transA: true },
  ];
}

/** Squares, then layers of the models of shapes.ts. */
export const PRODUCTS: readonly Product[] = [
  { label: "square", M: 256, N: 256, K: 256 },
  { label: "square", M: 1024, N: 1024, K: 1024 },
  ...layer("char qkv", 2048, 1152, 384),
  ...layer("char fc", 2048, 1536, 384),
  ...layer("char fcProj", 2048, 384, 1536),
  ...layer("char-cpu qkv", 768, 384, 128),
  ...layer("char-cpu fc", 768, 512, 128),
  // The head shares its matrix (V, C) with the embedding.
  { label: "gpt2 head", M: 512, N: 50304, K: 768, transB: true },
  { label: "gpt2 head dx", M: 512, N: 768, K: 50304 },
  { label: "gpt2 head dw", M: 50304, N: 768, K: 512, transA: true },
  { label: "generate fc", M: 1, N: 3072, K: 768 },
  { label: "generate head", M: 1, N: 50304, K: 768, transB: true },
];

/** What a person may ask for: far more would not fit any memory. */
const LONGEST_SIDE = 1 << 17;

/**
 * `512x768x3072` as M, N and K; `512x768x3072TN` where a factor is transposed.
 *
 * @throws {UserError}
 */
export function parseProduct(text: string): Product {
  const [, sizes = "", layoutA, layoutB] =
    text.match(/^(.*\d) ?([NT])([NT])$/) ?? [, text];
  const [M, N, K, ...rest] = sizes.split("x").map(Number);
  const isSide = (n: number) =>
    Number.isInteger(n) && n >= 1 && n <= LONGEST_SIDE;
  if (rest.length === 0 && [M, N, K].every(isSide)) {
    return {
      ...{ label: "asked for", M, N, K },
      ...layoutA === "T" && { transA: true },
      ...layoutB === "T" && { transB: true },
    };
  }
  throw new UserError(
    `Cannot multiply "${text}": expected MxNxK, each from 1 to ${LONGEST_SIDE}`,
    { hint: "hearth bench gemm 1024x1024x1024", exitCode: EXIT.usage },
  );
}

/** Rounds on a GPU, each a part of the time. */
const ROUNDS = 5;

/**
 * Times one product for at least `seconds`, each variant; where activations are
 * stored in two bytes, of factors of f32 and of those.
 *
 * @param options.variants On a GPU: all that it may choose from.
 */
export async function benchProduct(
  backend: Backend,
  product: Product,
  { seconds, variants = false }: { seconds: number; variants?: boolean },
): Promise<ProductFigures[]> {
  if (backend.device.backend === "cpu") {
    return [figuresOf(product, await timeOnCpu(backend, product, seconds))];
  }
  const gpu = backend as WebGpuBackend;
  const { M, N, K, transA = false, transB = false } = product;
  const shape = { ...product, transA, transB };
  const chosen = variants
    ? gpu.gemmCandidates.map((tile) => ({
      ...tile,
      splitK: splitByWaves(shape, tile),
    }))
    : [gpu.gemmVariant(shape)];
  const isTiled = M > MOST_GEMV_ROWS;
  const isWhole = [transA ? M : K, transB ? K : N].every((n) => n % 4 === 0);
  const { precision } = backend.device;
  const twoBytes = isTiled && isWhole && precision
    ? [precision === "bf16" ? "bf16" as const : "f16" as const]
    : [];
  const figures: ProductFigures[] = [];
  for (const factors of [undefined, ...twoBytes]) {
    const times = await timeGemm(gpu, shape, {
      ...{ variants: chosen, factors, rounds: ROUNDS },
      roundMs: 1000 * seconds / ROUNDS,
    });
    figures.push(...chosen.map((variant, i) => ({
      ...figuresOf(product, summarize(times[i])),
      ...isTiled &&
        {
          variant: formatGemm(variant),
          splitK: variant.splitK,
          factors: factors ?? "f32" as const,
        },
    })));
  }
  return figures;
}

async function timeOnCpu(
  backend: Backend,
  { M, N, K, transA, transB }: Product,
  seconds: number,
): Promise<Timing> {
  const g = new Graph();
  const a = g.state("a", transA ? [K, M] : [M, K]);
  const b = g.state("b", transB ? [N, K] : [K, N]);
  g.matmul(a, b, { transA, transB, out: g.state("out", [M, N]) });
  const executable = await backend.compile(plan({ multiply: g }));
  executable.write("a", new Float32Array(M * K).fill(0.5));
  executable.write("b", new Float32Array(N * K).fill(0.5));
  const time = await measure(() => executable.run("multiply"), { seconds });
  await executable.dispose();
  return time;
}

function figuresOf(product: Product, time: Timing): ProductFigures {
  const { M, N, K } = product;
  return {
    ...product,
    time,
    gflops: 2 * M * N * K / time.medianMs / 1e6,
    gbPerSec: 4 * Math.max(M, N) * K / time.medianMs / 1e6,
  };
}

/** The figures for people; pure. */
export function formatProducts(figures: readonly ProductFigures[]): string {
  const onGpu = figures.some(({ variant }) => variant !== undefined);
  return formatTable(
    [
      ["product", "left"],
      ["transposed", "left"],
      ["M", "right"],
      ["N", "right"],
      ["K", "right"],
      ["ms", "right"],
      ["spread", "right"],
      ["GFLOP/s", "right"],
      ["GB/s", "right"],
      ...onGpu
        ? [["factors", "left"] as const, ["computed", "left"] as const]
        : [],
    ],
    figures.map((one) => [
      one.label,
      [...one.transA ? ["A"] : [], ...one.transB ? ["B"] : []].join(" and "),
      `${one.M}`,
      `${one.N}`,
      `${one.K}`,
      one.time.medianMs.toFixed(3),
      `${spreadPct(one.time).toFixed(1)} %`,
      one.gflops.toFixed(1),
      one.M === 1 ? one.gbPerSec.toFixed(1) : "",
      ...onGpu ? [one.factors ?? "", computed(one)] : [],
    ]),
  );
}

function computed({ variant = "", splitK = 1 }: ProductFigures): string {
  return splitK > 1 ? `${variant}, k in ${splitK} parts` : variant;
}
