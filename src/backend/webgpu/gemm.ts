/**
 * Matrix products: WGSL for any shape and layout, cut into tiles.
 *
 * Each thread holds 4 x 4 numbers of the result, or 8 x 8, in named vectors
 * that every step of k adds an outer product to. Tiles of both factors go
 * through workgroup memory, k-major, so that one step reads a vector of each.
 * All but the loop over tiles of k is unrolled here. Compute bound.
 *
 * Shape of the kernel: "CUDA matmul kernel" of S. Boehm,
 * https://siboehm.com/articles/22/CUDA-MMM, kernel 6, without pointers.
 *
 * @module
 */

import { bind, type Dispatch, type GpuTensor } from "./dispatch.ts";
import { groupIndex, groups } from "./dispatch.ts";
import { entry, joined } from "./wgsl.ts";

/** The sizes and layouts of a product, as in graph/ops.ts. */
export interface GemmShape {
  readonly M: number;
  readonly N: number;
  readonly K: number;
  readonly transA: boolean;
  readonly transB: boolean;
}

/** How a product is computed: everything that its order of sums follows from. */
export interface GemmVariant {
  /** Rows, columns and depth of what a workgroup holds at a time. */
  readonly tileM: number;
  readonly tileN: number;
  readonly tileK: number;
  /** Rows and columns of one thread. */
  readonly perThread: 4 | 8;
  /**
   * Whether factors go through workgroup memory; else each thread reads what
   * it needs, `tileK` being 4.
   */
  readonly staged: boolean;
  /** Parts of k that are summed apart and added in order. */
  readonly splitK: number;
}

/** The tensors of a product. */
export interface GemmTensors {
  readonly a: GpuTensor;
  readonly b: GpuTensor;
  readonly bias?: GpuTensor;
  readonly addTo?: GpuTensor;
  readonly out: GpuTensor;
}

/** A factor: `size` rows or columns of the result, K deep. */
interface Factor {
  readonly name: string;
  readonly size: number;
  readonly tile: number;
  /** Whether neighbours in memory are neighbours in k. */
  readonly alongK: boolean;
  /** Whether it is read four numbers at a time. */
  readonly vector: boolean;
}

/**
 * The dispatches of a product: one, or two when k is split.
 *
 * @param partials Takes M * N * splitK numbers, if k is split.
 */
export function gemmDispatches(
  tensors: GemmTensors,
  { shape, variant, partials }: {
    shape: GemmShape;
    variant: GemmVariant;
    partials: (length: number) => GpuTensor;
  },
): Dispatch[] {
  const { M, N } = shape;
  if (variant.splitK === 1) return [product(tensors, { shape, variant })];
  const { a, b, ...rest } = tensors;
  const parts = partials(M * N * variant.splitK);
  return [
    product({ a, b, out: parts }, { shape, variant }),
    sumParts({ parts, ...rest }, { M, N, splitK: variant.splitK }),
  ];
}

function product(
  { a, b, bias, addTo, out }: GemmTensors,
  { shape, variant }: { shape: GemmShape; variant: GemmVariant },
): Dispatch {
  const { M, N, K, transA, transB } = shape;
  const { tileM, tileN, tileK, perThread, splitK, staged } = variant;
  const fits = (n: number) => n % 4 === 0;
  const vectorA = fits(transA ? M : K), vectorB = fits(transB ? K : N);
  const { bindings, names } = bind({
    read: { a, b, bias, addTo },
    write: { out },
  }, {
    vector: [
      ...vectorA ? ["a"] : [],
      ...vectorB ? ["b"] : [],
      ...fits(N) ? ["bias", "addTo", "out"] : [],
    ],
  });
  const factorA: Factor = {
    name: names.a,
    size: M,
    tile: tileM,
    alongK: !transA,
    vector: vectorA,
  };
  const factorB: Factor = {
    name: names.b,
    size: N,
    tile: tileN,
    alongK: transB,
    vector: vectorB,
  };
  const across = tileN / perThread;
  const threads = tileM / perThread * across;
  const halves = perThread / 4;
  const perSplit = Math.ceil(K / splitK / tileK) * tileK;
  const parts = range(halves);
  const accumulators = parts.flatMap((i) =>
    range(4).flatMap((r) => parts.map((j) => `c${i}${r}_${j}`))
  );
  const step = staged
    ? stagedStep([factorA, factorB], { variant, K, threads })
    : directStep([factorA, factorB], { variant, K });
  const code = `
${
    staged
      ? `var<workgroup> tileA: array<vec4<f32>, ${tileK * tileM / 4}>;
var<workgroup> tileB: array<vec4<f32>, ${tileK * tileN / 4}>;`
      : ""
  }
${
    entry(
      threads,
      `
  let x = lane % ${across}u;
  let y = lane / ${across}u;
  let fromM = group.y * ${tileM}u;
  let fromN = group.x * ${tileN}u;
  let fromK = group.z * ${perSplit}u;
  let toK = min(fromK + ${perSplit}u, ${K}u);
  ${accumulators.map((c) => `var ${c} = vec4<f32>();`).join("\n  ")}
  for (var k = fromK; k < toK; k += ${tileK}u) {
    ${step}
  }
  ${
        parts.flatMap((i) =>
          range(4).flatMap((r) =>
            parts.map((j) => {
              const row = `fromM + ${i * tileM / halves + r}u + 4u * y`;
              const column = `fromN + ${j * tileN / halves}u + 4u * x`;
              return store(`c${i}${r}_${j}`, {
                row,
                column,
                shape,
                guardRow: M % tileM !== 0,
                guardColumn: N % tileN !== 0,
                base: splitK > 1 ? `group.z * ${M * N}u + ` : "",
                names: {
                  out: names.out,
                  bias: bias && names.bias,
                  addTo: addTo && names.addTo,
                },
              });
            })
          )
        ).join("\n  ")
      }`,
    )
  }`;
  return {
    label: "matmul",
    bindings,
    code,
    workgroups: [Math.ceil(N / tileN), Math.ceil(M / tileM), splitK],
    flops: 2 * M * N * K,
  };
}

/** Statements for one tile of k: both factors are brought in, then used. */
function stagedStep(
  [a, b]: readonly [Factor, Factor],
  { variant, K, threads }: {
    variant: GemmVariant;
    K: number;
    threads: number;
  },
): string {
  const { tileK, perThread } = variant;
  const halves = perThread / 4;
  const common = { K, tileK, threads };
  const firstLane = loadUnits(a, tileK) % threads;
  const vector =
    (array: string, { tile }: Factor, at: string) =>
    (k: number, part: number) =>
      `${array}[${k * tile / 4 + part * tile / 4 / halves}u + ${at}]`;
  const rows = vector("tileA", a, "y"), columns = vector("tileB", b, "x");
  return `
    ${loadTile("tileA", a, { ...common, first: "fromM" })}
    ${loadTile("tileB", b, { ...common, first: "fromN", firstLane })}
    workgroupBarrier();
    ${
    range(tileK).map((k) => outerProduct(k, { halves, rows, columns })).join(
      "\n    ",
    )
  }
    workgroupBarrier();`;
}

/** The same where each thread reads blocks of 4 x 4 of both factors. */
function directStep(
  [a, b]: readonly [Factor, Factor],
  { variant: { perThread }, K }: { variant: GemmVariant; K: number },
): string {
  const halves = perThread / 4;
  const guardK = K % 4 !== 0;
  const blocks = range(halves).map((part) => {
    const o = (first: string, tile: number, at: string) =>
      `${first} + ${part * tile / halves}u + 4u * ${at}`;
    const block = (prefix: string, factor: Factor, o: string) =>
      loadBlock(prefix, factor, { K, o, k: "k", guardK });
    return block(`a${part}_`, a, o("fromM", a.tile, "y")) +
      block(`b${part}_`, b, o("fromN", b.tile, "x"));
  });
  const name = (factor: string) => (k: number, part: number) =>
    `${factor}${part}_${k}`;
  return `${blocks.join("")}
    ${
    range(4).map((k) =>
      outerProduct(k, { halves, rows: name("a"), columns: name("b") })
    ).join("\n    ")
  }`;
}

/** What threads take turns in loading: vectors, or blocks of 4 x 4. */
function loadUnits({ tile, alongK }: Factor, tileK: number): number {
  return alongK ? tile / 4 * tileK / 4 : tile / 4 * tileK;
}

/** Statements that fill a tile, `array[k * tile / 4 + o / 4]`. */
function loadTile(
  array: string,
  factor: Factor,
  { K, tileK, threads, first, firstLane = 0 }: {
    K: number;
    tileK: number;
    threads: number;
    first: string;
    firstLane?: number;
  },
): string {
  const { tile, alongK } = factor;
  const units = loadUnits(factor, tileK);
  const quarter = tile / 4;
  const guardK = K % tileK !== 0;
  return range(Math.ceil(units / threads)).map((turn) => {
    const unit = firstLane === 0
      ? `lane + ${turn * threads}u`
      : `(lane + ${threads - firstLane}u) % ${threads}u + ${turn * threads}u`;
    const guard = units % threads === 0 ? "" : `if (unit < ${units}u) `;
    const body = alongK
      ? `
      let ko = unit % ${tileK / 4}u * 4u;
      let o4 = unit / ${tileK / 4}u;
      ${
        loadBlock("v", factor, {
          K,
          o: `${first} + 4u * o4`,
          k: "k + ko",
          guardK,
        })
      }
      ${
        range(4).map((i) =>
          `${array}[(ko + ${i}u) * ${quarter}u + o4] = v${i};`
        )
          .join("\n      ")
      }`
      : `
      let ko = unit / ${quarter}u;
      let o4 = unit % ${quarter}u;
      ${array}[unit] = ${
        loadAlong(factor, { K, o: `${first} + 4u * o4`, k: "k + ko", guardK })
      };`;
    return `{
      let unit = ${unit};
      ${guard}{${body}
      }
    }`;
  }).join("\n    ");
}

/** Where a load begins, and what it must not go beyond. */
interface LoadPlace {
  readonly K: number;
  /** Row or column of the result. */
  readonly o: string;
  readonly k: string;
  /** Whether k may be beyond the end. */
  readonly guardK: boolean;
}

/**
 * Four neighbours of a factor that is contiguous along its size.
 *
 * Rows and columns beyond the end repeat the last: they only reach results
 * that are not stored. Depths beyond the end are 0.
 */
function loadAlong(
  { name, size, vector }: Factor,
  { K, o, k, guardK }: LoadPlace,
): string {
  const row = guardK ? `min(${k}, ${K - 1}u)` : `(${k})`;
  const value = vector
    ? `${name}[(${row} * ${size}u + min(${o}, ${size - 4}u)) / 4u]`
    : `vec4<f32>(${
      range(4).map((j) =>
        `${name}[${row} * ${size}u + min(${o} + ${j}u, ${size - 1}u)]`
      ).join(", ")
    })`;
  return guardK ? `select(vec4<f32>(), ${value}, ${k} < ${K}u)` : value;
}

/**
 * Statements for a block of 4 x 4: `let` of four vectors along the size, of
 * depths k to k + 3, named after `prefix`.
 */
function loadBlock(
  prefix: string,
  factor: Factor,
  { K, o, k, guardK }: LoadPlace,
): string {
  const { name, size, vector, alongK } = factor;
  const four = range(4);
  if (!alongK) {
    return four.map((i) => {
      const at = i === 0 ? k : `${k} + ${i}u`;
      return `
    let ${prefix}${i} = ${loadAlong(factor, { K, o, k: at, guardK })};`;
    }).join("");
  }
  const rows = four.map((j) => {
    const row = `min(${o} + ${j}u, ${size - 1}u) * ${K}u`;
    if (vector) {
      const at = guardK ? `min(${k}, ${K - 4}u)` : k;
      const value = `${name}[(${row} + ${at}) / 4u]`;
      return guardK ? `select(vec4<f32>(), ${value}, ${k} < ${K}u)` : value;
    }
    const numbers = four.map((i) => {
      const value = `${name}[${row} + min(${k} + ${i}u, ${K - 1}u)]`;
      return guardK ? `select(0.0f, ${value}, ${k} + ${i}u < ${K}u)` : value;
    });
    return `vec4<f32>(${numbers.join(", ")})`;
  });
  const column = (i: number) =>
    joined(4, ", ", (j) => `${prefix}row${j}.${"xyzw"[i]}`);
  return rows.map((row, j) => `
    let ${prefix}row${j} = ${row};`).join("") +
    four.map((i) => `
    let ${prefix}${i} = vec4<f32>(${column(i)});`).join("");
}

/** Adds the outer product of depth k of both factors to the accumulators. */
function outerProduct(
  k: number,
  { halves, rows, columns }: {
    halves: number;
    /** Vectors of the factors, by depth and part. */
    rows: (k: number, part: number) => string;
    columns: (k: number, part: number) => string;
  },
): string {
  const parts = range(halves);
  return `{
${
    parts.map((i) =>
      `      let a${i} = ${rows(k, i)};
      let b${i} = ${columns(k, i)};`
    ).join("\n")
  }
${
    parts.flatMap((i) =>
      range(4).flatMap((r) =>
        parts.map((j) => {
          const c = `c${i}${r}_${j}`;
          return `      ${c} = fma(vec4<f32>(a${i}.${
            "xyzw"[r]
          }), b${j}, ${c});`;
        })
      )
    ).join("\n")
  }
    }`;
}

/** Stores four neighbours of a row of the result. */
function store(
  value: string,
  { row, column, shape: { M, N }, guardRow, guardColumn, base, names }: {
    row: string;
    column: string;
    shape: GemmShape;
    guardRow: boolean;
    guardColumn: boolean;
    base: string;
    names: { out: string; bias?: string; addTo?: string };
  },
): string {
  const guards = [
    ...guardRow ? [`row < ${M}u`] : [],
    ...guardColumn ? [`column < ${N}u`] : [],
  ];
  const plus = (at: string, n: string) =>
    (names.bias ? ` + ${names.bias}[${n}]` : "") +
    (names.addTo ? ` + ${names.addTo}[${at}]` : "");
  const body = N % 4 === 0
    ? `let at = (${base}row * ${N}u + column) / 4u;
      ${names.out}[at] = ${value}${plus("at", "column / 4u")};`
    : range(4).map((j) => `
      if (column + ${j}u < ${N}u) {
        let at = ${base}row * ${N}u + column + ${j}u;
        ${names.out}[at] = ${value}.${"xyzw"[j]}${plus("at", `column + ${j}u`)};
      }`).join("");
  return `{
    let row = ${row};
    let column = ${column};
    ${guards.length > 0 ? `if (${guards.join(" && ")}) ` : ""}{
      ${body}
    }
  }`;
}

/** Adds the parts of a split k in order, with bias and `addTo`. */
function sumParts(
  { parts, bias, addTo, out }: {
    parts: GpuTensor;
    bias?: GpuTensor;
    addTo?: GpuTensor;
    out: GpuTensor;
  },
  { M, N, splitK }: { M: number; N: number; splitK: number },
): Dispatch {
  const width = N % 4 === 0 ? 4 : 1;
  const { bindings, names } = bind(
    { read: { parts, bias, addTo }, write: { out } },
    { vector: width === 4 },
  );
  const n = M * N / width, count = Math.ceil(n / 256);
  const code = entry(
    256,
    `
  let i = ${groupIndex(count)} * 256u + lane;
  if (i >= ${n}u) { return; }
  ${names.out}[i] = ${
      joined(splitK, " + ", (s) => `${names.parts}[i + ${s * n}u]`)
    }${bias ? ` + ${names.bias}[i % ${N / width}u]` : ""}${
      addTo ? ` + ${names.addTo}[i]` : ""
    };`,
  );
  return { label: "matmul", bindings, code, workgroups: groups(count) };
}

function range(n: number): number[] {
  return Array.from({ length: n }, (_, i) => i);
}
