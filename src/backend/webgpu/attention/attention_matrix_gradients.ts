/**
 * The gradients of attention's keys and values on matrix units.
 *
 * A workgroup has a tile of keys, each of its subgroups some rows of it, whose
 * keys and values stay in units. It goes through the queries behind, step by
 * step: two products give scores and what the output's gradient asks of them,
 * through the subgroup's own workgroup memory to single elements
 * (attention_matrix_elements.ts), which become factors of two more products,
 * whose sums stay in units. Slopes are written for the gradient of queries,
 * which is another dispatch (attention_matrix_queries.ts). Queries of the next
 * step are read while these are used.
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
import { hasWideQueries, matrixElements } from "./attention_matrix_elements.ts";
import {
  gradientThreads,
  keyBuffers,
  MATRIX_TILE,
  type MatrixGradient,
  type MatrixPart,
  ownPairs,
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
        ...hasWideQueries(shape) ? ["lse", "rowDots"] : [],
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
    dtype: read[array].dtype,
    scale: array === "dOut" ? scale : 1,
  });
  const k = matrixRows(keys, ofRows("k", "qkv", MATRIX_TILE));
  const v = matrixRows(values, ofRows("v", "qkv", MATRIX_TILE));
  const q = matrixRows(
    queryHeads(names.qkv, shape, "fromQ"),
    ofRows("nextQ", "qkv", step),
  );
  const dy = matrixRows(
    outHeads(names.dOut, shape, "fromQ"),
    ofRows("nextDy", "dOut", step),
  );
  const buffers = keyBuffers(shape, tile, context.workgroupBytes);
  const ofBuffer = q.pairs + dy.pairs, own = buffers * ofBuffer;
  const kept = own + subgroupsOf(tile) * ownPairs(tile);
  const memory = tile.inMemory
    ? kept + k.pairs + v.pairs
    : Math.max(kept, k.pairs);
  const half = ownPairs(tile) / 2;
  const take = q.take + dy.take;
  /** Where the queries of a step are. */
  const place = (number: string) => `
      let h = hkv * ${group}u + ${number} / perHead;
      let fromQ = (begins + ${number} % perHead) * ${step}u;`;
  // 2. Products.
  const units = unitsOf(made);
  const elements = matrixElements(made, names);
  // Barriers are for all subgroups alike: Mesa's software takes those of one
  // for those of the workgroup.
  const compute = `
    let isSeen = fromQ + ${step - 1}u >= fromK + ownRow;
    let isMasked = fromQ < fromK + ownRow + ${rows - 1}u${
    T % step === 0 ? "" : ` || fromQ + ${step}u > ${T}u`
  };
    let heads = (b * ${H}u + h) * ${T}u;
    let queryTile = fromQ / ${MATRIX_TILE}u;
    let slopeTile = ${
    slopesAt(shape, { queryTile: "queryTile", keyTile: "tile" })
  } + fromQ % ${MATRIX_TILE}u / 4u;${elements.variables}
    if (isSeen) {${elements.statistics}${
    units.rowProducts("k", { from: kept, columns: "buffer", to: 0 })
  }${
    units.rowProducts("v", {
      ...{ from: kept + k.pairs, columns: `buffer + ${q.pairs}u`, to: half },
    })
  }
    }
    subgroupBarrier();
    if (isSeen) {${elements.compute}
    }
    subgroupBarrier();
    if (isSeen) {${elements.put}
    }
    subgroupBarrier();
    if (isSeen) {${
    units.addProducts("dv", { rows: 0, columns: `buffer + ${q.pairs}u` })
  }${units.addProducts("dk", { rows: half, columns: "buffer" })}
    }`;
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
  var work = ${groupIndex(workgroups)};
  if (work >= ${workgroups}u) { return; }
  let tile = work % ${tiles}u; // the first keys have most queries
  work /= ${tiles}u;
  let hkv = work % ${Hkv}u;
  let sequence = work / ${Hkv}u;
  let b = sequence${start ? ` + u32(${names.start}[0])` : ""};
  if (b >= ${B}u) { return; }
  let first = b * ${T}u;
  let fromK = tile * ${MATRIX_TILE}u;
  let ownRow = subgroup * ${rows}u;
  let own = ${own}u + subgroup * ${ownPairs(tile)}u;
  let begins = tile * ${MATRIX_TILE / step}u;
  let perHead = ${Math.ceil(T / step)}u - begins;
  let steps = ${group}u * perHead;${k.registers}${v.registers}${k.take}${
        tile.inMemory
          ? `${v.take}${k.put(`${kept}u`)}${v.put(`${kept + k.pairs}u`)}`
          : memory >= 2 * k.pairs
          ? `${v.take}${k.put("0u")}${v.put(`${k.pairs}u`)}
  workgroupBarrier();${units.rows("k", 0)}${units.rows("v", k.pairs)}
  workgroupBarrier();`
          : `${k.put("0u")}
  workgroupBarrier();${units.rows("k", 0)}
  workgroupBarrier();${v.take}${v.put("0u")}
  workgroupBarrier();${units.rows("v", 0)}
  workgroupBarrier();`
      }${units.sums("dk")}${units.sums("dv")}${q.registers}${dy.registers}
  {${place("0u")}${take}
  }
  for (var step = 0u; step < steps; step++) {
    let buffer = ${buffers === 2 ? `step % 2u * ${ofBuffer}u` : "0u"};${
        q.put("buffer")
      }${dy.put(`buffer + ${q.pairs}u`)}
    workgroupBarrier();
    let following = step + 1u;
    if (following < steps) {${place("following")}${take}
    }${place("step")}${compute}${
        buffers === 2 ? "" : `
    workgroupBarrier();`
      }
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
  const { rows, step, unit, inMemory } = tile;
  const left = matrixType({ unit }, "A"), right = matrixType({ unit }, "B");
  const sum = matrixType({ unit }, "C");
  const stride = factorStride(D);
  const results = resultStride(step), factors = factorStride(step);
  const all = (count: number, line: (i: number) => string) =>
    range(count).map(line).join("");
  const down = (line: (i: number) => string) => all(rows / unit.M, line);
  const deep = (line: (i: number) => string) => all(D / unit.K, line);
  const across = (line: (i: number) => string) => all(D / unit.N, line);
  const loadRow = (
    name: string,
    { i, d, from }: { i: number; d: number; from: number },
  ) => `
  let ${name}${i}_${d} = coopLoad<${left}>(&tiles[${
    from + i * unit.M * stride + d * unit.K / 4
  }u + ownRow * ${stride}u], ${stride}u);`;
  return {
    /** Its rows of the tile that begins at pair `from`. */
    rows: (name: string, from: number) =>
      down((i) => deep((d) => loadRow(name, { i, d, from }))),
    sums: (name: string) =>
      down((i) =>
        across((n) => `
  var ${name}${i}_${n} = ${sum}();`)
      ),
    /** Products of its rows with rows of queries, to its own memory. */
    rowProducts: (
      name: string,
      { from, columns, to }: {
        /** Where its rows are, if they are in memory. */
        from: number;
        columns: string;
        to: number;
      },
    ) =>
      all(step / unit.N, (j) => `
      {${
        down((i) => `
        var sum${i} = ${sum}();`)
      }${
        deep((d) => `
        let column${d} = coopLoadT<${right}>(&tiles[${columns} + ${
          j * unit.N * stride + d * unit.K / 4
        }u], ${stride}u);${
          down((i) =>
            `${inMemory ? loadRow(name, { i, d, from }) : ""}
        sum${i} = coopMultiplyAdd(${name}${i}_${d}, column${d}, sum${i});`
          )
        }`)
      }${
        down((i) => `
        coopStore(sum${i}, &tiles[own + ${
          to + i * unit.M * results + j * unit.N / 2
        }u], ${results}u);`)
      }
      }`),
    /** Adds products of its own memory with columns of queries. */
    addProducts: (
      sums: string,
      { rows, columns }: { rows: number; columns: string },
    ) =>
      all(step / unit.K, (depth) => `
      {${
        down((i) => `
        let row${i} = coopLoad<${left}>(&tiles[own + ${
          rows + i * unit.M * factors + depth * unit.K / 4
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
