/**
 * Matrix products: WGSL for any shape and layout, cut into tiles.
 *
 * Each thread holds some squares of 4 x 4 numbers of the result in named
 * vectors that every step of k adds an outer product to. Tiles of both factors
 * go through workgroup memory, k-major, so that one step reads a vector of
 * each. All but the loop over tiles of k is unrolled here. Compute bound.
 *
 * Shape of the kernel: "CUDA matmul kernel" of S. Boehm,
 * https://siboehm.com/articles/22/CUDA-MMM, kernels 6 and 10, without
 * pointers.
 *
 * @module
 */

import type { Dispatch } from "../dispatch.ts";
import { lanePlace } from "../shader/lanes.ts";
import { entry, range } from "../shader/wgsl.ts";
import {
  type Factor,
  loadBlock,
  loadUnits,
  paddedVectors,
  tileLoad,
} from "./gemm_factor.ts";
import { gemmFrame, type GemmTensors } from "./gemm_frame.ts";
import { storeFour, storeSum, type Summing } from "./gemm_store.ts";
import type { GemmShape, GemmVariant, ThreadTile } from "./gemm_variant.ts";

/** Threads of a workgroup. */
export function gemmThreads(
  { tileM, tileN, threadM, threadN }: ThreadTile,
): number {
  return tileM / threadM * (tileN / threadN);
}

/** Bytes of workgroup memory, at most. */
export function gemmWorkgroupBytes(
  { tileM, tileN, tileK, flow }: ThreadTile,
): number {
  if (flow === "direct") return 0;
  return 4 * tileK * (tileM + tileN + 8 * paddedVectors(tileK));
}

/** Whether each thread loads vectors of one column of `b` only. */
export function canSumColumns(tile: ThreadTile): boolean {
  return tile.flow === "direct" || gemmThreads(tile) % (tile.tileN / 4) === 0;
}

/**
 * Multiplies, with bias and `addTo`; or the parts of a split k apart, each
 * followed by its sums, in which case `out` of the sums is `out`.
 */
export function gemmKernel(
  tensors: GemmTensors,
  { shape, variant }: {
    shape: GemmShape;
    variant: GemmVariant & ThreadTile;
  },
): Dispatch {
  const { M, N, K } = shape;
  const { tileM, tileN, threadM, threadN, flow } = variant;
  const frame = gemmFrame(tensors, { shape, variant });
  const { bindings, a, b, summing, workgroups } = frame;
  const down = range(threadM / 4), across = range(threadN / 4);
  const squares = down.flatMap((i) =>
    range(4).flatMap((r) => across.map((j) => ({ i, r, j, c: sum(i, r, j) })))
  );
  const { declarations, loop } = flow === "direct"
    ? { declarations: "", loop: directLoop({ a, b }, variant, summing) }
    : tiledLoop({ a, b }, variant, summing);
  const stores = squares.map(({ i, r, j, c }) =>
    storeFour(c, {
      row: `fromM + ${i * tileM / down.length + r}u + 4u * y`,
      column: `fromN + ${j * tileN / across.length}u + 4u * x`,
    }, frame.results)
  );
  const code = `${frame.declarations}
${declarations}
${
    entry(
      gemmThreads(variant),
      `${
        lanePlace({
          across: tileN / threadN,
          down: tileM / threadM,
          lanes: variant.lanes,
        })
      }${frame.place}
  ${squares.map(({ c }) => `var ${c} = vec4<f32>();`).join("\n  ")}
${loop}
  ${stores.join("\n  ")}`,
    )
  }`;
  return { label: "matmul", bindings, code, workgroups, flops: 2 * M * N * K };
}

interface Factors {
  readonly a: Factor;
  readonly b: Factor;
}

/** The accumulator of row r of the square in row i and column j. */
function sum(i: number, r: number, j: number): string {
  return `c${i}${r}_${j}`;
}

/** The loop over k where factors go through workgroup memory. */
function tiledLoop(
  { a, b }: Factors,
  variant: ThreadTile,
  summing: Summing | undefined,
) {
  const { tileK, flow } = variant;
  const threads = gemmThreads(variant);
  const common = { tileK, threads };
  const loadA = tileLoad(a, { ...common, prefix: "a", first: "fromM" });
  const firstLane = loadUnits(a, tileK) % threads;
  const loadB = tileLoad(b, {
    ...common,
    ...{ prefix: "b", first: "fromN", firstLane },
  });
  const take = (k: string) => loadA.take(k) + loadB.take(k);
  const put = loadA.put("tileA") + loadB.put("tileB");
  const registers = [...loadA.registers, ...loadB.registers]
    .map((name) => `var ${name} = vec4<f32>();`).join("\n  ");
  const quarters = ({ tile }: Factor, perThread: number) => tile / perThread;
  const step = range(tileK).map((k) =>
    outerProduct({
      variant,
      row: (i) =>
        loadA.at("tileA", k, `y + ${i * quarters(a, variant.threadM)}u`),
      column: (j) =>
        loadB.at("tileB", k, `x + ${j * quarters(b, variant.threadN)}u`),
    })
  ).join("\n    ");
  const addUp = summing
    ? `
    if (fromM == 0u) {${loadB.addUp("columnSum")}
    }`
    : "";
  const loop = (before: string, after: string) => `
  for (var k = fromK; k < toK; k += ${tileK}u) {
    ${before}${addUp}${put}
    workgroupBarrier();${after}
    ${step}
    workgroupBarrier();
  }`;
  const last = (Math.ceil(a.K / tileK) - 1) * tileK;
  const staged = () => loop(take("k"), "");
  const ahead = () =>
    `
  let firstK = min(fromK, ${last}u);${take("firstK")}` +
    loop(
      "",
      `
    let next = min(k + ${tileK}u, ${last}u);${take("next")}`,
    );
  return {
    declarations: `var<workgroup> tileA: ${loadA.type};
var<workgroup> tileB: ${loadB.type};`,
    loop: `${loadA.begin}${loadB.begin}
  ${registers}${summing ? "\n  var columnSum = vec4<f32>();" : ""}${
      flow === "ahead" ? ahead() : staged()
    }${summing ? sumTile(b, { summing, variant }) : ""}`,
  };
}

/** Adds up what the threads have of each column, in their order. */
function sumTile(
  b: Factor,
  { summing, variant }: { summing: Summing; variant: ThreadTile },
): string {
  const quarter = b.tile / 4;
  const units = loadUnits(b, variant.tileK);
  const slices = Math.min(gemmThreads(variant), units) / quarter;
  const total = range(slices).map((i) => `tileB[${i}][lane]`).join(" + ");
  return `
  if (fromM == 0u) {
    if (bUnit0 < ${units}u) { tileB[bK0][bO0] = columnSum; }
    workgroupBarrier();
    if (lane < ${quarter}u) {
      let column = fromN + 4u * lane;
      let total = ${total};
      ${storeSum("total", summing)}
    }
  }`;
}

/** The loop over k where each thread reads blocks of 4 x 4 of both factors. */
function directLoop(
  { a, b }: Factors,
  variant: ThreadTile,
  summing: Summing | undefined,
): string {
  const { tileK, threadM, threadN } = variant;
  const blocks = (
    factor: Factor,
    { prefix, first, at, perThread }: {
      prefix: string;
      first: string;
      at: string;
      perThread: number;
    },
  ) =>
    range(perThread / 4).map((part) => {
      const from = part * factor.tile / (perThread / 4);
      const o = `${first} + ${from}u + 4u * ${at}`;
      const guardK = factor.K % tileK !== 0;
      return loadBlock(`${prefix}${part}_`, factor, { o, k: "k", guardK });
    }).join("");
  const across = range(threadN / 4);
  // The first threads of the first workgroups have each column once.
  const sum = (line: (j: number) => string) =>
    summing
      ? `if (fromM == 0u && y == 0u) {
${across.map(line).join("\n")}
    }`
      : "";
  return `${
    summing
      ? across.map((j) => `
  var columnSum${j} = vec4<f32>();`).join("")
      : ""
  }
  for (var k = fromK; k < toK; k += ${tileK}u) {
    ${blocks(a, { prefix: "a", first: "fromM", at: "y", perThread: threadM })}${
    blocks(b, { prefix: "b", first: "fromN", at: "x", perThread: threadN })
  }
    ${
    sum((j) => `      columnSum${j} += b${j}_0 + b${j}_1 + b${j}_2 + b${j}_3;`)
  }
    ${
    range(4).map((k) =>
      outerProduct({
        variant,
        row: (i) => `a${i}_${k}`,
        column: (j) => `b${j}_${k}`,
      })
    ).join("\n    ")
  }
  }
  ${
    sum((j) =>
      `    {
      let column = fromN + ${j * b.tile / across.length}u + 4u * x;
      ${storeSum(`columnSum${j}`, summing!)}
    }`
    )
  }`;
}

/** Adds the outer product of one depth of both factors to the accumulators. */
function outerProduct(
  { variant: { threadM, threadN }, row, column }: {
    variant: ThreadTile;
    /** Vectors of the factors. */
    row: (i: number) => string;
    column: (j: number) => string;
  },
): string {
  const down = range(threadM / 4), across = range(threadN / 4);
  const products = down.flatMap((i) =>
    range(4).flatMap((r) =>
      across.map((j) => {
        const c = sum(i, r, j);
        return `      ${c} = fma(vec4<f32>(a${i}.${"xyzw"[r]}), b${j}, ${c});`;
      })
    )
  );
  return `{
${down.map((i) => `      let a${i} = ${row(i)};`).join("\n")}
${across.map((j) => `      let b${j} = ${column(j)};`).join("\n")}
${products.join("\n")}
    }`;
}
