/**
 * Attention of one new row over a cache: bound by reading the cache, and where
 * that is short, by waiting for it.
 *
 * The keys of a head are cut into parts (attention_token_shape.ts), a workgroup
 * each (attention_token_part.ts), which may be combined in their order by a
 * second dispatch (Dao et al. 2023,
 * https://crfm.stanford.edu/2023/10/12/flashdecoding.html). Parts behind the
 * last key end at once.
 *
 * @module
 */

import type { Call } from "../../../graph/ops.ts";
import { bind, type Dispatch, type GpuTensor, groups } from "../dispatch.ts";
import type { KernelContext } from "../kernel.ts";
import { entry, lines, range } from "../shader/wgsl.ts";
import { storeHead } from "./attention_heads.ts";
import { MASKED } from "./attention_tile.ts";
import { attendCode } from "./attention_token_part.ts";
import {
  type TokenAttrs,
  type TokenShape,
  tokenShape,
} from "./attention_token_shape.ts";

/** Threads of the second dispatch, and parts that one asks for at once. */
const COMBINING_THREADS = 64, PARTS_AT_A_TIME = 16;

/** One or two dispatches; the new key and value go to the cache as well. */
export function attendToken(
  { op, in: inputs, out: { out, kCache, vCache }, attrs }: Call<
    "attentionCached",
    GpuTensor
  >,
  context: KernelContext,
): Dispatch[] {
  const { qkv, position } = inputs;
  const { H } = attrs;
  const shape = tokenShape(attrs, context);
  const { D4, parts } = shape;
  const partials = parts > 1
    ? context.scratch(4 * parts * H * (D4 + 1))
    : undefined;
  const { bindings, names } = bind({
    read: { qkv, position },
    write: { kCache, vCache, ...partials ? { partials } : { out } },
  }, {
    vector: [
      "partials",
      ...shape.vector ? ["qkv", "kCache", "vCache", "out"] : [],
    ],
  });
  const code = attendCode({ attrs, shape, names });
  const workgroups = groups(H * parts);
  const first = { label: op, bindings, code, workgroups };
  if (!partials) return [first];
  return [first, combine({ partials, position, out }, { attrs, shape })];
}

/** Adds up the parts of each head, scaled to the largest score of all. */
function combine(
  { partials, position, out }: Record<
    "partials" | "position" | "out",
    GpuTensor
  >,
  { attrs: { S, H, D }, shape }: { attrs: TokenAttrs; shape: TokenShape },
): Dispatch {
  const { D4, parts, partKeys } = shape;
  const { bindings, names } = bind(
    { read: { partials, position }, write: { out } },
    { vector: ["partials", ...shape.vector ? ["out"] : []] },
  );
  const total = H * D4;
  const batch = Math.min(parts, PARTS_AT_A_TIME);
  const code = entry(
    COMBINING_THREADS,
    `
  let i = group.x * ${COMBINING_THREADS}u + lane;
  if (i >= ${total}u) { return; }
  let h = i / ${D4}u;
  let d = i % ${D4}u;
  let lastPart = min(${names.position}[0], ${S - 1}u) / ${partKeys}u;
  var top = ${MASKED};
  var sum = 0.0f;
  var o = vec4<f32>();
  for (var part = 0u; part <= lastPart; part += ${batch}u) {
${
      lines(batch, (b) =>
        `    let at${b} = (min(part + ${b}u, lastPart) * ${H}u + h) * ${
          D4 + 1
        }u;
    let o${b} = ${names.partials}[at${b} + d];
    let all${b} = ${names.partials}[at${b} + ${D4}u];`)
    }
    let before = top;
    top = max(top, ${
      range(batch).map((b) => `all${b}.x`).reduce((a, b) => `max(${a}, ${b})`)
    });
    let shrink = exp(before - top);
    o *= shrink;
    sum *= shrink;
${
      lines(batch, (b) =>
        `    let f${b} = select(0.0f, exp(all${b}.x - top), part + ${b}u <= lastPart);
    o += f${b} * o${b};
    sum += f${b} * all${b}.y;`)
    }
  }
  ${
      storeHead(names.out, {
        start: `h * ${D}u`,
        d4: "d",
        value: "(o / sum)",
        shape,
      })
    }`,
  );
  return {
    label: "attentionCached",
    bindings,
    code,
    workgroups: groups(Math.ceil(total / COMBINING_THREADS)),
  };
}
