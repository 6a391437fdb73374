/**
 * Attention of many new rows over a cache, as prompts have them: by the tiles
 * of training, against the keys and values of the cache.
 *
 * Bound by arithmetic: a tile of queries reads the cache once.
 *
 * @module
 */

import type { Call } from "../../../graph/ops.ts";
import {
  bind,
  type Dispatch,
  type GpuTensor,
  groupIndex,
  groups,
} from "../dispatch.ts";
import type { KernelContext } from "../kernel.ts";
import { entry } from "../shader/wgsl.ts";
import { attendTiles } from "./attention_forward.ts";
import {
  headLoader,
  type Heads,
  packed,
  queryHeads,
  storeHead,
} from "./attention_heads.ts";
import { queryPlace, storeRows } from "./attention_place.ts";
import { productMemory } from "./attention_products.ts";
import { attentionShape, withoutUnit } from "./attention_tile.ts";

/** Threads of a workgroup that copies. */
const COPY_THREADS = 256;

type CachedCall = Call<"attentionCached", GpuTensor>;

/** Two dispatches: new keys and values go to the cache, then all is read. */
export function attendPrompt(
  call: CachedCall,
  context: KernelContext,
): Dispatch[] {
  return [extendCache(call), attendCache(call, context)];
}

function extendCache({ op, in: inputs, out, attrs }: CachedCall): Dispatch {
  const { qkv, position } = inputs;
  const { kCache, vCache } = out;
  const { T, S, Hkv, D } = attrs;
  const width = D % 4 === 0 ? 4 : 1;
  const { bindings, names } = bind({
    read: { qkv, position },
    write: { kCache, vCache },
  }, { vector: width === 4 ? ["qkv", "kCache", "vCache"] : [] });
  const cacheRow = Hkv * D / width;
  const row = packed(attrs).width / width;
  const keys = row - 2 * cacheRow;
  const n = T * cacheRow, count = Math.ceil(n / COPY_THREADS);
  const code = entry(
    COPY_THREADS,
    `
  let i = ${groupIndex(count)} * ${COPY_THREADS}u + lane;
  if (i >= ${n}u) { return; }
  let source = i / ${cacheRow}u * ${row}u + ${keys}u + i % ${cacheRow}u;
  let to = min(${names.position}[0], ${S}u) * ${cacheRow}u + i;
  if (to >= ${S * cacheRow}u) { return; }
  ${names.kCache}[to] = ${names.qkv}[source];
  ${names.vCache}[to] = ${names.qkv}[source + ${cacheRow}u];`,
  );
  return { label: op, bindings, code, workgroups: groups(count) };
}

function attendCache(
  { op, in: inputs, out: { out, kCache, vCache }, attrs }: CachedCall,
  context: KernelContext,
): Dispatch {
  const { qkv, position } = inputs;
  const { T, S, H, Hkv, D } = attrs;
  const single = { T, H, Hkv, D, B: 1, p: 0, site: 0 };
  const choice = context.attention("attention", single);
  // Keys and values of a cache are f32, and are not rounded.
  const shape = attentionShape(single, withoutUnit(choice, "staged").flow);
  const { tile, threads } = shape;
  const { bindings, names } = bind(
    { read: { qkv, position, kCache, vCache }, write: { out } },
    { vector: shape.vector ? ["qkv", "kCache", "vCache", "out"] : [] },
  );
  // Behind the last row there may be anything, which may be no number.
  const heads = (array: string): Heads => ({
    array,
    at: (o) => `min(begin + ${o}, lastKey) * ${Hkv * D}u + hkv * ${D}u`,
  });
  const { workgroups, code: place } = queryPlace(shape, "ahead");
  const code = `
${headLoader(names.qkv, shape)}
${headLoader(names.kCache, shape)}
${headLoader(names.vCache, shape)}
${productMemory(shape)}
${
    entry(
      threads,
      `
  let ahead = min(${names.position}[0], ${S}u);
  let lastKey = min(ahead + ${T}u, ${S}u) - 1u;
${place}
  let lastTile = (ahead + min(fromQ + ${tile}u, ${T}u) - 1u) / ${tile}u;
${
        attendTiles(shape, {
          queries: queryHeads(names.qkv, shape, "fromQ"),
          keys: heads(names.kCache),
          values: heads(names.vCache),
          lastTile: "lastTile",
        })
      }
${
        storeRows(shape, {
          row: "row",
          before: (r) => `let at = ((row + ${r}u) * ${H}u + h) * ${D}u;`,
          store: (r, j) =>
            `let y${j} = o${r}_${j} / all${r >> 2}[${r % 4}];
      ${
              storeHead(names.out, {
                start: "at",
                d4: `d${j}`,
                value: `y${j}`,
                shape,
              })
            }`,
        })
      }`,
    )
  }`;
  return { label: op, bindings, code, workgroups: groups(workgroups) };
}
