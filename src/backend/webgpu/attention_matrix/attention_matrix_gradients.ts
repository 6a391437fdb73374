/**
 * The gradients of attention's keys and values on matrix units.
 *
 * A workgroup has a tile of keys, each of its subgroups some rows of it, whose
 * keys and values stay in units. It goes through the queries behind: of some
 * that are in workgroup memory, some at a time are multiplied. Two products give
 * scores and what the output's gradient asks of them, through the subgroup's own
 * workgroup memory to single elements (attention_matrix_elements.ts), which
 * become factors of two more products, whose sums stay in units. Slopes are
 * written for the gradient of queries, which is another dispatch
 * (attention_matrix_queries.ts). The next queries are read while these are used.
 *
 * Formulas: ../kernels/attention_backward.ts; compute bound.
 *
 * @module
 */

import { GRADIENT_LABEL } from "../attention/attention_gradients.ts";
import {
  keyHeads,
  outHeads,
  packed,
  queryHeads,
} from "../attention/attention_heads.ts";
import { attentionFlops } from "../attention/attention_tile.ts";
import {
  bind,
  type Dispatch,
  type GpuTensor,
  groupIndex,
  groups,
} from "../dispatch.ts";
import type { KernelContext } from "../kernel.ts";
import { matrixEnables } from "../shader/matrix.ts";
import { dropoutFunctions } from "../shader/philox.ts";
import { packing } from "../shader/two_byte_access.ts";
import { entry, f32 } from "../shader/wgsl.ts";
import { matrixElements } from "./attention_matrix_elements.ts";
import { gradientProducts } from "./attention_matrix_gradient_products.ts";
import {
  gradientThreads,
  longestFirst,
  MATRIX_TILE,
  type MatrixGradient,
  type MatrixPart,
  ownPairs,
  partHead,
  partSizes,
  queriesAtOnce,
  slopesAt,
  storeUnits,
  subgroupsOf,
} from "./attention_matrix_part.ts";
import { isRaw, type MatrixRows, matrixRows } from "./attention_matrix_tile.ts";

/** A workgroup per tile of keys. */
export function matrixKeyGradients(
  { part, dQkv, ...read }:
    & Record<"dOut" | "qkv" | "lse" | "rowDots" | "dQkv", GpuTensor>
    & { rng?: GpuTensor; site?: GpuTensor; part: MatrixPart },
  made: MatrixGradient,
  context: KernelContext,
): Dispatch {
  const { shape, tile, scale } = made, { unit } = tile;
  const { D, tiles } = shape, { start, slopes } = part;
  const sizes = partSizes(shape, part), heads = sizes.B * sizes.Hkv;
  const quads = [
    ...isRaw(read.dOut, unit, scale) ? ["dOut"] : [],
    ...isRaw(read.qkv, unit) ? ["qkv"] : [],
  ];
  const { bindings, names } = bind(
    { read: { ...read, start }, write: { dQkv, slopes } },
    {
      vector: [
        ...["dOut", "qkv"].filter((name) => !quads.includes(name)),
        ...["dQkv", "slopes"],
      ],
      quads,
    },
  );
  const { rng, site } = names;
  const threads = gradientThreads(tile);
  const atOnce = queriesAtOnce(shape, tile, context.workgroupBytes);
  const { keys, values } = keyHeads(names.qkv, shape, "fromK");
  const rowsOf = (prefix: string, array: "qkv" | "dOut", rows: number) => ({
    ...{ prefix, rows, numbers: D, threads, unit },
    tensor: read[array],
    scale: array === "dOut" ? scale : 1,
  });
  const queries = queryHeads(names.qkv, shape, "beginQ");
  const outs = outHeads(names.dOut, shape, "beginQ");
  const cut: Cut = {
    ...{ made, part, names, atOnce },
    k: matrixRows(keys, rowsOf("k", "qkv", MATRIX_TILE)),
    v: matrixRows(values, rowsOf("v", "qkv", MATRIX_TILE)),
    q: matrixRows(queries, rowsOf("nextQ", "qkv", atOnce)),
    dy: matrixRows(outs, rowsOf("nextDy", "dOut", atOnce)),
    products: gradientProducts(made),
  };
  const workgroups = heads * tiles;
  const code = `
${rng ? dropoutFunctions({ p: shape.p, site, rng }, context) : ""}
${packing("packed", unit.scalar)}
var<workgroup> tiles: array<vec2<u32>, ${memoryOf(cut)}>;
${
    entry(
      threads,
      `
  let work = ${groupIndex(workgroups)};
  if (work >= ${workgroups}u) { return; }${longestFirst(heads, tiles)}
  let tile = rank; // the first keys have most queries${
        partHead(shape, part, { of: "keys", start: names.start })
      }${goThrough(cut)}
${storeSums(cut)}`,
      { subgroup: true },
    )
  }`;
  return {
    label: GRADIENT_LABEL,
    enables: matrixEnables(unit),
    bindings,
    code,
    workgroups: groups(workgroups),
    flops: attentionFlops({ ...shape, ...sizes }, 4),
  };
}

/** What a workgroup does, and with what. */
interface Cut {
  readonly made: MatrixGradient;
  readonly part: MatrixPart;
  /** Variables of the tensors; no `rng` is without dropout. */
  readonly names: Record<
    "qkv" | "dOut" | "lse" | "rowDots" | "rng" | "slopes" | "dQkv",
    string
  >;
  /** Queries that are in workgroup memory. */
  readonly atOnce: number;
  /** Rows on their way there: of keys and values, of queries and of dOut. */
  readonly k: MatrixRows;
  readonly v: MatrixRows;
  readonly q: MatrixRows;
  readonly dy: MatrixRows;
  readonly products: ReturnType<typeof gradientProducts>;
}

/** Pairs of workgroup memory before what subgroups have for themselves. */
function firstOwn({ q, dy }: Cut): number {
  return q.pairs + dy.pairs;
}

/** Pairs of workgroup memory; keys are there before all else. */
function memoryOf(cut: Cut): number {
  const { made: { tile }, k } = cut;
  return Math.max(
    firstOwn(cut) + subgroupsOf(tile) * ownPairs(tile),
    k.pairs,
  );
}

/** WGSL: all queries behind a tile of keys, some at a time. */
function goThrough(cut: Cut): string {
  const { made: { shape, tile: { rows, step }, tile }, atOnce } = cut;
  const { q, dy, products } = cut;
  const { T, H, Hkv } = shape;
  const group = H / Hkv;
  const take = q.take + dy.take;
  /** Where the queries of a turn are. */
  const place = (turn: string) => `
      let h = hkv * ${group}u + ${turn} / perHead;
      let beginQ = (begins + ${turn} % perHead) * ${atOnce}u;`;
  return `
  let first = b * ${T}u;
  let fromK = tile * ${MATRIX_TILE}u;
  let ownRow = subgroup * ${rows}u;
  let own = ${firstOwn(cut)}u + subgroup * ${ownPairs(tile)}u;
  let begins = tile * ${MATRIX_TILE / atOnce}u;
  let perHead = ${Math.ceil(T / atOnce)}u - begins;
  let turns = ${group}u * perHead;${takeKeys(cut)}${products.sums("dk")}${
    products.sums("dv")
  }${q.registers}${dy.registers}
  {${place("0u")}${take}
  }
  for (var turn = 0u; turn < turns; turn++) {${q.put("0u")}${
    dy.put(`${q.pairs}u`)
  }
    workgroupBarrier();
    let following = turn + 1u;
    if (following < turns) {${place("following")}${take}
    }${place("turn")}
    for (var slice = 0u; slice < ${atOnce}u; slice += ${step}u) {
      let heads = (b * ${H}u + h) * ${T}u;${multiply(cut)}
    }
    workgroupBarrier();
  }`;
}

/** WGSL: keys and values as units, side by side where there is room. */
function takeKeys(cut: Cut): string {
  const { k, v, products } = cut;
  return `${k.registers}${v.registers}${k.take}${
    memoryOf(cut) >= 2 * k.pairs
      ? `${v.take}${k.put("0u")}${v.put(`${k.pairs}u`)}
  workgroupBarrier();${products.keys("k", 0)}${products.keys("v", k.pairs)}
  workgroupBarrier();`
      : `${k.put("0u")}
  workgroupBarrier();${products.keys("k", 0)}
  workgroupBarrier();${v.take}${v.put("0u")}
  workgroupBarrier();${products.keys("v", 0)}
  workgroupBarrier();`
  }`;
}

/**
 * WGSL: what some queries add to the sums. Barriers are for all subgroups
 * alike: Mesa's software takes those of one for those of the workgroup.
 */
function multiply({ made, part, names, atOnce, q, products }: Cut): string {
  const { shape, tile: { rows, step }, tile } = made, { T } = shape;
  const elements = matrixElements(made, names);
  const half = ownPairs(tile) / 2;
  const dyRows = `rowsAt + ${q.pairs}u`;
  const slopeTile = slopesAt(shape, part, {
    queryTile: "queryTile",
    keyTile: "tile",
  });
  return `
      let fromQ = beginQ + slice;
      let rowsAt = slice * ${q.stride}u;
      let isSeen = fromQ + ${step - 1}u >= fromK + ownRow${
    T % atOnce === 0 ? "" : ` && fromQ < ${T}u`
  };
      let isMasked = fromQ < fromK + ownRow + ${rows - 1}u${
    T % step === 0 ? "" : ` || fromQ + ${step}u > ${T}u`
  };
      let queryTile = fromQ / ${MATRIX_TILE}u;
      let slopeTile = ${slopeTile} + fromQ % ${MATRIX_TILE}u * ${
    MATRIX_TILE / 4
  }u + ownRow / 4u;${elements.variables}
      if (isSeen) {${elements.statistics}${
    products.rowProducts([
      { name: "k", rows: "rowsAt", to: 0 },
      { name: "v", rows: dyRows, to: half },
    ])
  }
      }
      subgroupBarrier();
      if (isSeen) {${elements.compute}
      }
      subgroupBarrier();
      if (isSeen) {${elements.put}
      }
      subgroupBarrier();
      if (isSeen) {${products.addProducts("dv", { from: 0, columns: dyRows })}${
    products.addProducts("dk", { from: half, columns: "rowsAt" })
  }
      }
      subgroupBarrier();`;
}

/** WGSL: stores the gradients of values and keys. */
function storeSums(
  { made: { shape, tile, scale }, names: { dQkv } }: Cut,
): string {
  const { T, D } = shape;
  const { width, key, value } = packed(shape);
  const stored = (sums: string, offset: string, factor: number) =>
    storeUnits({
      ...{ sums, tile, D, T, row: "fromK + ownRow" },
      store: (row, vector, sum) =>
        `${dQkv}[((first + ${row}) * ${width}u + ${offset}) / 4u + ${vector}] = ${sum}${
          factor === 1 ? "" : ` * ${f32(factor)}`
        };`,
    });
  return `${stored("dv", value("hkv"), 1 / scale)}
${stored("dk", key("hkv"), 1 / (Math.sqrt(D) * scale))}`;
}
