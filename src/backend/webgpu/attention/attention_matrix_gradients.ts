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

import {
  bind,
  type Dispatch,
  type GpuTensor,
  groupIndex,
  groups,
} from "../dispatch.ts";
import { matrixType } from "../gemm/gemm_matrix.ts";
import type { KernelContext } from "../kernel.ts";
import { dropoutFunctions } from "../philox.ts";
import { packing } from "../two_bytes.ts";
import { entry, f32, range } from "../wgsl.ts";
import { GRADIENT_LABEL } from "./attention_gradients.ts";
import { keyHeads, outHeads, packed, queryHeads } from "./attention_heads.ts";
import { matrixElements } from "./attention_matrix_elements.ts";
import {
  gradientThreads,
  longestFirst,
  MATRIX_TILE,
  type MatrixGradient,
  type MatrixPart,
  ownPairs,
  queriesAtOnce,
  slopesAt,
  storeUnits,
  subgroupsOf,
} from "./attention_matrix_part.ts";
import {
  factorStride,
  isRaw,
  matrixEnables,
  matrixRows,
  resultStride,
} from "./attention_matrix_tile.ts";
import { attentionFlops } from "./attention_tile.ts";

/** A workgroup per tile of keys. */
export function matrixKeyGradients(
  { part: { sequences, start, slopes }, dQkv, ...read }:
    & Record<"dOut" | "qkv" | "lse" | "rowDots" | "dQkv", GpuTensor>
    & { rng?: GpuTensor; site?: GpuTensor; part: MatrixPart },
  made: MatrixGradient,
  context: KernelContext,
): Dispatch {
  const { shape, tile: { rows, step, unit }, tile, scale } = made;
  const { B, T, H, Hkv, D, tiles } = shape;
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
  const group = H / Hkv, workgroups = sequences * Hkv * tiles;
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
  const units = unitsOf(made);
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
    slopesAt(shape, { queryTile: "queryTile", keyTile: "tile" })
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
  if (work >= ${workgroups}u) { return; }${longestFirst(sequences * Hkv, tiles)}
  let tile = rank; // the first keys have most queries
  let hkv = head % ${Hkv}u;
  let sequence = head / ${Hkv}u;
  let b = sequence${start ? ` + u32(${names.start}[0])` : ""};
  if (b >= ${B}u) { return; }
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
    flops: attentionFlops({ ...shape, B: sequences }, 4),
  };
}

/** WGSL by which a subgroup multiplies. */
function unitsOf({ shape: { D }, tile }: MatrixGradient) {
  const { rows, step, unit } = tile;
  const left = matrixType({ unit }, "A"), right = matrixType({ unit }, "B");
  const sum = matrixType({ unit }, "C");
  const stride = factorStride(D);
  const results = resultStride(rows), factors = factorStride(rows);
  const all = (count: number, line: (i: number) => string) =>
    range(count).map(line).join("");
  const deep = (line: (i: number) => string) => all(D / unit.K, line);
  const down = (line: (i: number) => string) => all(rows / unit.M, line);
  const across = (line: (i: number) => string) => all(D / unit.N, line);
  /** Its keys as columns. */
  const ofKeys = (line: (j: number) => string) => all(rows / unit.N, line);
  return {
    /** Its rows of the tile that begins at pair `from`, turned. */
    keys: (name: string, from: number) =>
      ofKeys((j) =>
        deep((d) => `
  let ${name}${j}_${d} = coopLoadT<${right}>(&tiles[${
          from + j * unit.N * stride + d * unit.K / 4
        }u + ownRow * ${stride}u], ${stride}u);`)
      ),
    sums: (name: string) =>
      down((i) =>
        across((n) => `
  var ${name}${i}_${n} = ${sum}();`)
      ),
    /**
     * Products of rows of queries with its own, to its own memory: all of them
     * before any is stored, as what is read behind that waits for it.
     */
    rowProducts: (
      kinds: readonly { name: string; rows: string; to: number }[],
    ) => {
      const each = (
        line: (
          kind: typeof kinds[number],
          at: { i: number; j: number },
        ) => string,
      ) =>
        all(
          step / unit.M,
          (i) =>
            ofKeys((j) => kinds.map((kind) => line(kind, { i, j })).join("")),
        );
      const sumOf = (name: string, { i, j }: { i: number; j: number }) =>
        `${name}Sum${i}_${j}`;
      return `
      {${
        each(({ name }, at) => `
        var ${sumOf(name, at)} = ${sum}();`)
      }${
        deep((d) => `
        {${
          all(step / unit.M, (i) =>
            kinds.map(({ name, rows }) => `
        let ${name}Row${i} = coopLoad<${left}>(&tiles[${rows} + ${
              i * unit.M * stride + d * unit.K / 4
            }u], ${stride}u);${
              ofKeys((j) => `
        ${
                sumOf(name, { i, j })
              } = coopMultiplyAdd(${name}Row${i}, ${name}${j}_${d}, ${
                sumOf(name, { i, j })
              });`)
            }`).join(""))
        }
        }`)
      }${
        each(({ name, to }, { i, j }) => `
        coopStore(${sumOf(name, { i, j })}, &tiles[own + ${
          to + i * unit.M * results + j * unit.N / 2
        }u], ${results}u);`)
      }
      }`;
    },
    /** Adds products of its own memory, turned, with columns of queries. */
    addProducts: (
      sums: string,
      { from, columns }: { from: number; columns: string },
    ) =>
      all(step / unit.K, (depth) => `
      {${
        down((i) => `
        let row${i} = coopLoadT<${left}>(&tiles[own + ${
          from + depth * unit.K * factors + i * unit.M / 4
        }u], ${factors}u);`)
      }${
        across((n) => `
        let column${n} = coopLoad<${right}>(&tiles[${columns} + ${
          depth * unit.K * stride + n * unit.N / 4
        }u], ${stride}u);${
          down((i) => `
        ${sums}${i}_${n} = coopMultiplyAdd(row${i}, column${n}, ${sums}${i}_${n});`)
        }`)
      }
      }`),
  };
}
