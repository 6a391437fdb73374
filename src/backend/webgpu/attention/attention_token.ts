/**
 * Attention of one new row over a cache: bound by reading the cache, and where
 * that is short, by waiting for it.
 *
 * The keys of a head are cut into parts, a workgroup each, which may be
 * combined in their order by a second dispatch (Dao et al. 2023,
 * https://crfm.stanford.edu/2023/10/12/flashdecoding.html). A part goes through
 * its keys some at a time, all of whose keys and values are asked for at once;
 * neighbouring threads have neighbouring vectors of a head. Sizes of parts
 * depend on shapes alone, and parts behind the last key end at once.
 *
 * @module
 */

import type { Call } from "../../../graph/ops.ts";
import { bind, type Dispatch, type GpuTensor, groups } from "../dispatch.ts";
import type { KernelContext } from "../kernel.ts";
import { entry, joined, lines, range, reductions } from "../shader/wgsl.ts";
import { headLoader, packed, storeHead } from "./attention_heads.ts";
import { MASKED, scoreScale } from "./attention_tile.ts";

const THREADS = 256;
/** Keys that a workgroup has at a time, about. */
const KEYS_AT_A_TIME = 64;
/** Vectors of keys, and as many of values, that a thread asks for at once. */
const MOST_VECTORS = 8;
/** Threads next to each other that share a head. */
const MOST_SLOTS = 64;
/** So few keys are faster one after another than with a second dispatch. */
const FEW_KEYS = 320;
/** Workgroups that are enough for a large device, of which most may be idle. */
const ENOUGH_PARTS = 1024;
/** Threads of the second dispatch, and parts that one asks for at once. */
const COMBINING_THREADS = 64, PARTS_AT_A_TIME = 16;

type Attrs = Call<"attentionCached", GpuTensor>["attrs"];

/** How the keys of a head are cut. */
export interface TokenShape {
  readonly D: number;
  /** Vectors of a head, the last one padded with 0. */
  readonly D4: number;
  /** Whether heads can be read as vectors. */
  readonly vector: boolean;
  /** Vectors of a head that a thread has, and threads that share one. */
  readonly perThread: number;
  readonly slots: number;
  /** Keys next to each other, one for each group of such threads. */
  readonly across: number;
  /** How many of those a thread has at a time, and how often in a part. */
  readonly deep: number;
  readonly turns: number;
  /** Keys of a part. */
  readonly partKeys: number;
  readonly parts: number;
}

/**
 * Fixes how a call is cut.
 *
 * @param options.isSoftware One part per head then, as idle ones take longer
 * there than short contexts: 15 us each with llvmpipe on a Zen 5 server.
 */
export function tokenShape(
  { S, H, D }: Attrs,
  { isSoftware }: { isSoftware: boolean },
): TokenShape {
  const D4 = Math.ceil(D / 4);
  const perThread = Math.ceil(D4 / MOST_SLOTS);
  const slots = Math.ceil(D4 / perThread);
  const across = Math.min(Math.floor(THREADS / slots), KEYS_AT_A_TIME);
  const deep = Math.max(
    1,
    Math.min(
      Math.ceil(KEYS_AT_A_TIME / across),
      Math.floor(MOST_VECTORS / perThread),
    ),
  );
  const keys = across * deep;
  const all = Math.ceil(S / keys);
  const turns = isSoftware || S <= FEW_KEYS
    ? all
    : Math.ceil(all * H / ENOUGH_PARTS);
  return {
    ...{ D, D4, vector: D % 4 === 0, perThread, slots, across, deep, turns },
    partKeys: keys * turns,
    parts: Math.ceil(all / turns),
  };
}

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
  const code = attendCode(names, { attrs, shape });
  const workgroups = groups(H * parts);
  const first = { label: op, bindings, code, workgroups };
  if (!partials) return [first];
  return [first, combine({ partials, position, out }, { attrs, shape })];
}

function attendCode(
  names: Record<
    "qkv" | "position" | "kCache" | "vCache" | "partials" | "out",
    string
  >,
  { attrs, shape }: { attrs: Attrs; shape: TokenShape },
): string {
  const { qkv, position, kCache, vCache, partials, out } = names;
  const { S, H, Hkv, D } = attrs;
  const { D4, perThread, slots, across, deep, turns, parts } = shape;
  const { query, key, value } = packed(attrs);
  const each = (line: (u: number, j: number) => string) =>
    lines(deep, (u) => lines(perThread, (j) => line(u, j)));
  const perHead = (line: (j: number) => string) => lines(perThread, line);
  const result = parts === 1
    ? storeHead(out, {
      start: `h * ${D}u`,
      d4: "d",
      value: "(total / allSum)",
      shape,
    })
    : `${partials}[work * ${D4 + 1}u + d] = total;`;
  return `
${headLoader(qkv, shape)}
${headLoader(kCache, shape)}
${headLoader(vCache, shape)}
${reductions(THREADS)}
// One more than needed, so that neighbours are in other banks.
var<workgroup> dots: array<f32, ${across * deep * (slots + 1)}>;
var<workgroup> scores: array<f32, ${across * deep}>;
var<workgroup> results: array<vec4<f32>, ${THREADS}>;
var<workgroup> sums: array<f32, ${across}>;
${
    entry(
      THREADS,
      `
  let work = group.x;
  let part = work / ${H}u;
  let h = work % ${H}u;
  let last = min(${position}[0], ${S - 1}u);
  let first = part * ${shape.partKeys}u;
  if (first > last) { return; }
  let head = h * ${Hkv}u / ${H}u * ${D}u;
  let slot = lane % ${slots}u;
  let isActive = lane < ${slots * across}u;
  let place = min(lane / ${slots}u, ${across - 1}u);
  // 1. The new row, which nobody reads from the cache in this dispatch.
${
        perHead((j) =>
          `  let d${j} = min(slot + ${slots * j}u, ${D4 - 1}u);
  let has${j} = isActive && slot + ${slots * j}u < ${D4}u;
  let q${j} = load_${qkv}(${query("h")}, d${j});
  let newK${j} = load_${qkv}(${key("0u")} + head, d${j});
  let newV${j} = load_${qkv}(${value("0u")} + head, d${j});`
        )
      }
  var top = ${MASKED};
  var sum = 0.0f;
${perHead((j) => `  var o${j} = vec4<f32>();`)}
${
        turns > 1
          ? `  let end = min(last, first + ${shape.partKeys - 1}u);
  for (var begin = first; begin <= end; begin += ${across * deep}u) {`
          : `  let begin = first;
  {`
      }
    // 2. All that is needed from the cache.
${
        lines(deep, (u) =>
          `    let key${u} = begin + ${u * across}u + place;
    let start${u} = min(key${u}, max(last, 1u) - 1u) * ${Hkv * D}u + head;`)
      }
${
        each((u, j) =>
          `    var k${u}_${j} = load_${kCache}(start${u}, d${j});
    var v${u}_${j} = load_${vCache}(start${u}, d${j});`
        )
      }
${
        lines(deep, (u) =>
          `    if (key${u} >= last) {
${perHead((j) => `      k${u}_${j} = newK${j};\n      v${u}_${j} = newV${j};`)}
    }`)
      }
    // 3. Scores: those of a key add up what its threads have.
    if (isActive) {
${
        lines(deep, (u) =>
          `      dots[(place + ${u * across}u) * ${slots + 1}u + slot] = ${
            joined(
              perThread,
              " + ",
              (j) => {
                const product = `dot(q${j}, k${u}_${j})`;
                return slots * (j + 1) <= D4
                  ? product
                  : `select(0.0f, ${product}, has${j})`;
              },
            )
          };`)
      }
    }
    workgroupBarrier();
    var score = ${MASKED};
    if (lane < ${across * deep}u) {
      let at = lane * ${slots + 1}u;
      let product = ${joined(slots, " + ", (i) => `dots[at + ${i}u]`)};
      score = select(${MASKED}, product * ${
        scoreScale(attrs)
      }, begin + lane <= last);
      scores[lane] = score;
    }
    let before = top;
    top = max(top, maxAll(score, lane)); // its barriers publish scores as well
    let shrink = exp(before - top);
    sum *= shrink;
${perHead((j) => `    o${j} *= shrink;`)}
    // 4. Probabilities times values.
${
        lines(deep, (u) =>
          `    let p${u} = exp(scores[place + ${u * across}u] - top);
    sum += p${u};
${perHead((j) => `    o${j} += p${u} * v${u}_${j};`)}`)
      }
  }
  // 5. It goes to the cache from the first of the heads that share it, where the
  // keys end; not before, as loads would wait behind it.
  if (last - first < ${shape.partKeys}u && h * ${Hkv}u % ${H}u < ${Hkv}u && place == 0u) {
    let start = last * ${Hkv * D}u + head;
${
        perHead((j) =>
          `    if (has${j}) {
      ${
            storeHead(kCache, {
              start: "start",
              d4: `d${j}`,
              value: `newK${j}`,
              shape,
            })
          }
      ${
            storeHead(vCache, {
              start: "start",
              d4: `d${j}`,
              value: `newV${j}`,
              shape,
            })
          }
    }`
        )
      }
  }
  // 6. Totals over the groups of threads.
  if (slot == 0u && isActive) { sums[place] = sum; }
${
        perHead((j) =>
          `  workgroupBarrier();
  results[lane] = o${j};
  workgroupBarrier();
  if (lane < ${slots}u && has${j}) {
    let d = d${j};
    let total = ${
            joined(across, " + ", (i) => `results[lane + ${i * slots}u]`)
          };
    let allSum = ${joined(across, " + ", (i) => `sums[${i}]`)};
    ${result}
    ${
            parts > 1 && j === 0
              ? `if (lane == 0u) {
      ${partials}[work * ${
                D4 + 1
              }u + ${D4}u] = vec4<f32>(top, allSum, 0.0f, 0.0f);
    }`
              : ""
          }
  }`
        )
      }`,
    )
  }`;
}

/** Adds up the parts of each head, scaled to the largest score of all. */
function combine(
  { partials, position, out }: Record<
    "partials" | "position" | "out",
    GpuTensor
  >,
  { attrs: { S, H, D }, shape }: { attrs: Attrs; shape: TokenShape },
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
