/**
 * The gradient of attention's queries on matrix units, from kept slopes: one
 * product, a workgroup for each tile of queries, with the keys before it.
 *
 * Formulas: ../kernels/attention_backward.ts.
 *
 * @module
 */

import { GRADIENT_LABEL } from "../attention/attention_gradients.ts";
import { keyHeads, packed } from "../attention/attention_heads.ts";
import {
  attentionFlops,
  type MatrixGradientTile,
} from "../attention/attention_tile.ts";
import {
  bind,
  type Dispatch,
  type GpuTensor,
  groupIndex,
  groups,
} from "../dispatch.ts";
import { matrixEnables, matrixType } from "../shader/matrix.ts";
import { packing } from "../shader/two_byte_access.ts";
import { entry, f32, range } from "../shader/wgsl.ts";
import {
  gradientThreads,
  longestFirst,
  MATRIX_TILE,
  type MatrixGradient,
  type MatrixPart,
  ownPairs,
  partHead,
  partSizes,
  queryPairs,
  slopesAt,
  storeUnits,
  subgroupsOf,
} from "./attention_matrix_part.ts";
import { isRaw, type MatrixRows, matrixRows } from "./attention_matrix_tile.ts";

/** Keys of {@linkcode matrixKeyGradients} come first, as they make slopes. */
export function matrixQueryGradients(
  { part, qkv, dQkv }:
    & Record<"qkv" | "dQkv", GpuTensor>
    & { part: MatrixPart },
  { shape, tile, scale }: MatrixGradient,
): Dispatch {
  const { T, D, tiles } = shape, { unit } = tile, { start, slopes } = part;
  const sizes = partSizes(shape, part), heads = sizes.B * sizes.H;
  const { bindings, names } = bind(
    { read: { slopes, qkv, start }, write: { dQkv } },
    isRaw(qkv, unit)
      ? { vector: ["dQkv"], quads: ["slopes", "qkv"] }
      : { vector: ["qkv", "dQkv"], quads: ["slopes"] },
  );
  const workgroups = heads * tiles;
  const threads = gradientThreads(tile);
  const ds = matrixRows({
    array: names.slopes,
    at: (o) =>
      `4u * (${
        slopesAt(shape, part, { queryTile: "tile", keyTile: "taken" })
      } + ${o} * ${MATRIX_TILE / 4}u)`,
  }, {
    ...{ prefix: "nextDs", rows: MATRIX_TILE, numbers: MATRIX_TILE },
    ...{ threads, unit, tensor: slopes },
  });
  const k = matrixRows(keyHeads(names.qkv, shape, "fromK").keys, {
    ...{ prefix: "nextK", rows: MATRIX_TILE, numbers: D },
    ...{ threads, unit, tensor: qkv },
  });
  const ofResults = subgroupsOf(tile) * ownPairs(tile);
  const memory = Math.max(queryPairs(shape), ofResults);
  const down = range(tile.rows / unit.M), across = range(D / unit.N);
  const take = (number: string) => `
    {
      let taken = ${number};
      let fromK = taken * ${MATRIX_TILE}u;${ds.take}${k.take}
    }`;
  const { width, query } = packed(shape);
  const code = `
${packing("packed", unit.scalar)}
var<workgroup> tiles: array<vec2<u32>, ${memory}>;
${
    entry(
      threads,
      `
  let work = ${groupIndex(workgroups)};
  if (work >= ${workgroups}u) { return; }${longestFirst(heads, tiles)}
  let tile = ${tiles - 1}u - rank; // the last queries have most keys${
        partHead(shape, part, { of: "queries", start: names.start })
      }
  let first = b * ${T}u;
  let ownRow = subgroup * ${tile.rows}u;
  let own = subgroup * ${ownPairs(tile)}u;${
        down.flatMap((i) =>
          across.map((n) => `
  var dq${i}_${n} = ${matrixType(unit, "C")}();`)
        ).join("")
      }${ds.registers}${k.registers}${take("0u")}
  for (var keyTile = 0u; keyTile <= tile; keyTile++) {${ds.put("0u")}${
        k.put(`${ds.pairs}u`)
      }
    workgroupBarrier();
    if (keyTile < tile) {${take("keyTile + 1u")}
    }${addProducts({ tile, D, ds, k })}
    workgroupBarrier();
  }${
        storeUnits({
          ...{ sums: "dq", tile, D, row: `tile * ${MATRIX_TILE}u + ownRow`, T },
          store: (row, vector, sum) =>
            `${names.dQkv}[((first + ${row}) * ${width}u + ${
              query("h")
            }) / 4u + ${vector}] = ${sum} * ${
              f32(1 / (Math.sqrt(D) * scale))
            };`,
        })
      }`,
      { subgroup: true },
    )
  }`;
  return {
    label: GRADIENT_LABEL,
    enables: matrixEnables(unit),
    bindings,
    code,
    workgroups: groups(workgroups),
    flops: attentionFlops({ ...shape, ...sizes }, 1),
  };
}

/** WGSL: adds the products of slopes with the keys of a tile to `dq`. */
function addProducts(
  { tile: { rows, unit }, D, ds, k }: {
    tile: MatrixGradientTile;
    D: number;
    /** Slopes and keys in workgroup memory, one behind the other. */
    ds: MatrixRows;
    k: MatrixRows;
  },
): string {
  const A = matrixType(unit, "A"), B = matrixType(unit, "B");
  const down = range(rows / unit.M), across = range(D / unit.N);
  return range(MATRIX_TILE / unit.K).map((depth) => `
    if (keyTile < tile || ${depth * unit.K}u < ownRow + ${rows}u) {${
    down.map((i) => `
      let row${i} = coopLoad<${A}>(&tiles[ownRow * ${ds.stride}u + ${
      i * unit.M * ds.stride + depth * unit.K / 4
    }u], ${ds.stride}u);`).join("")
  }${
    across.map((n) => `
      let column${n} = coopLoad<${B}>(&tiles[${
      ds.pairs + depth * unit.K * k.stride + n * unit.N / 4
    }u], ${k.stride}u);${
      down.map((i) => `
      dq${i}_${n} = coopMultiplyAdd(row${i}, column${n}, dq${i}_${n});`)
        .join("")
    }`).join("")
  }
    }`).join("");
}
