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
import { isRaw, matrixRows } from "./attention_matrix_tile.ts";

/** A workgroup per tile of keys. */
export function matrixKeyGradients(
  { part, dQkv, ...read }:
    & Record<"dOut" | "qkv" | "lse" | "rowDots" | "dQkv", GpuTensor>
    & { rng?: GpuTensor; site?: GpuTensor; part: MatrixPart },
  made: MatrixGradient,
  context: KernelContext,
): Dispatch {
  const { shape, tile: { rows, step, unit }, tile, scale } = made;
  const { T, H, Hkv, D, tiles } = shape, { start, slopes } = part;
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
  const { rng } = names;
  const group = H / Hkv, workgroups = heads * tiles;
  // 1. What is brought into workgroup memory.
  const threads = gradientThreads(tile);
  const { keys, values } = keyHeads(names.qkv, shape, "fromK");
  const ofRows = (prefix: string, array: "qkv" | "dOut", count: number) => ({
    ...{ prefix, rows: count, numbers: D, threads, unit },
    tensor: read[array],
    scale: array === "dOut" ? scale : 1,
  });
  const k = matrixRows(keys, ofRows("k", "qkv", MATRIX_TILE));
  const v = matrixRows(values, ofRows("v", "qkv", MATRIX_TILE));
  const atOnce = queriesAtOnce(shape, tile, context.workgroupBytes);
  const q = matrixRows(
    queryHeads(names.qkv, shape, "beginQ"),
    ofRows("nextQ", "qkv", atOnce),
  );
  const dy = matrixRows(
    outHeads(names.dOut, shape, "beginQ"),
    ofRows("nextDy", "dOut", atOnce),
  );
  const own = q.pairs + dy.pairs;
  const memory = Math.max(
    own + subgroupsOf(tile) * ownPairs(tile),
    k.pairs,
  );
  const half = ownPairs(tile) / 2;
  const take = q.take + dy.take;
  /** Where the queries of a turn are. */
  const place = (turn: string) => `
      let h = hkv * ${group}u + ${turn} / perHead;
      let beginQ = (begins + ${turn} % perHead) * ${atOnce}u;`;
  // 2. Products.
  const units = gradientProducts(made);
  const elements = matrixElements(made, names);
  // Barriers are for all subgroups alike: Mesa's software takes those of one
  // for those of the workgroup.
  const dyRows = `rowsAt + ${q.pairs}u`;
  const compute = `
      let fromQ = beginQ + slice;
      let rowsAt = slice * ${q.stride}u;
      let isSeen = fromQ + ${step - 1}u >= fromK + ownRow${
    T % atOnce === 0 ? "" : ` && fromQ < ${T}u`
  };
      let isMasked = fromQ < fromK + ownRow + ${rows - 1}u${
    T % step === 0 ? "" : ` || fromQ + ${step}u > ${T}u`
  };
      let queryTile = fromQ / ${MATRIX_TILE}u;
      let slopeTile = ${
    slopesAt(shape, part, { queryTile: "queryTile", keyTile: "tile" })
  } + fromQ % ${MATRIX_TILE}u * ${
    MATRIX_TILE / 4
  }u + ownRow / 4u;${elements.variables}
      if (isSeen) {${elements.statistics}${
    units.rowProducts([
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
      if (isSeen) {${units.addProducts("dv", { from: 0, columns: dyRows })}${
    units.addProducts("dk", { from: half, columns: "rowsAt" })
  }
      }
      subgroupBarrier();`;
  const { width, key, value } = packed(shape);
  const stored = (sums: string, offset: string, factor: number) =>
    storeUnits({
      ...{ sums, tile, D, T, row: "fromK + ownRow" },
      store: (row, vector, sum) =>
        `${names.dQkv}[((first + ${row}) * ${width}u + ${offset}) / 4u + ${vector}] = ${sum}${
          factor === 1 ? "" : ` * ${f32(factor)}`
        };`,
    });
  const code = `
${rng ? dropoutFunctions({ p: shape.p, site: names.site, rng }, context) : ""}
${packing("packed", unit.scalar)}
var<workgroup> tiles: array<vec2<u32>, ${memory}>;
${
    entry(
      threads,
      `
  let work = ${groupIndex(workgroups)};
  if (work >= ${workgroups}u) { return; }${longestFirst(heads, tiles)}
  let tile = rank; // the first keys have most queries${
        partHead(shape, part, { of: "keys", start: names.start })
      }
  let first = b * ${T}u;
  let fromK = tile * ${MATRIX_TILE}u;
  let ownRow = subgroup * ${rows}u;
  let own = ${own}u + subgroup * ${ownPairs(tile)}u;
  let begins = tile * ${MATRIX_TILE / atOnce}u;
  let perHead = ${Math.ceil(T / atOnce)}u - begins;
  let turns = ${group}u * perHead;${k.registers}${v.registers}${k.take}${
        memory >= 2 * k.pairs
          ? `${v.take}${k.put("0u")}${v.put(`${k.pairs}u`)}
  workgroupBarrier();${units.keys("k", 0)}${units.keys("v", k.pairs)}
  workgroupBarrier();`
          : `${k.put("0u")}
  workgroupBarrier();${units.keys("k", 0)}
  workgroupBarrier();${v.take}${v.put("0u")}
  workgroupBarrier();${units.keys("v", 0)}
  workgroupBarrier();`
      }${units.sums("dk")}${units.sums("dv")}${q.registers}${dy.registers}
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
      let heads = (b * ${H}u + h) * ${T}u;${compute}
    }
    workgroupBarrier();
  }
${stored("dv", value("hkv"), 1 / scale)}
${stored("dk", key("hkv"), 1 / (Math.sqrt(D) * scale))}`,
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
