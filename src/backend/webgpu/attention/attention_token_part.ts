/**
 * The shader of a token's attention to a part of the keys of a head.
 *
 * It goes through its keys some at a time, all of whose keys and values are
 * asked for at once; neighbouring threads have neighbouring vectors of a head.
 *
 * @module
 */

import { entry, joined, lines, reductions } from "../shader/wgsl.ts";
import { headLoader, packed, storeHead } from "./attention_heads.ts";
import { MASKED, scoreScale } from "./attention_tile.ts";
import {
  TOKEN_THREADS,
  type TokenAttrs,
  type TokenShape,
} from "./attention_token_shape.ts";

/** What the shader is written for. */
export interface Token {
  readonly attrs: TokenAttrs;
  readonly shape: TokenShape;
  /** Variables of the tensors. */
  readonly names: Record<
    "qkv" | "position" | "kCache" | "vCache" | "partials" | "out",
    string
  >;
}

/** The shader: a workgroup has a part of the keys of a head. */
export function attendCode(token: Token): string {
  const { attrs, shape, names } = token;
  const { qkv, position, kCache, vCache } = names;
  const { S, H, Hkv, D } = attrs;
  const { perThread, slots, across, deep, turns } = shape;
  return `
${headLoader(qkv, shape)}
${headLoader(kCache, shape)}
${headLoader(vCache, shape)}
${reductions(TOKEN_THREADS)}
// One more than needed, so that neighbours are in other banks.
var<workgroup> dots: array<f32, ${across * deep * (slots + 1)}>;
var<workgroup> scores: array<f32, ${across * deep}>;
var<workgroup> results: array<vec4<f32>, ${TOKEN_THREADS}>;
var<workgroup> sums: array<f32, ${across}>;
${
    entry(
      TOKEN_THREADS,
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
${newRow(token)}
  var top = ${MASKED};
  var sum = 0.0f;
${lines(perThread, (j) => `  var o${j} = vec4<f32>();`)}
${
        turns > 1
          ? `  let end = min(last, first + ${shape.partKeys - 1}u);
  for (var begin = first; begin <= end; begin += ${across * deep}u) {`
          : `  let begin = first;
  {`
      }
    // 2. All that is needed from the cache.
${fromCache(token)}
    // 3. Scores: those of a key add up what its threads have.
${scores(token)}
    let before = top;
    top = max(top, maxAll(score, lane)); // its barriers publish scores as well
    let shrink = exp(before - top);
    sum *= shrink;
${lines(perThread, (j) => `    o${j} *= shrink;`)}
    // 4. Probabilities times values.
${
        lines(deep, (u) =>
          `    let p${u} = exp(scores[place + ${u * across}u] - top);
    sum += p${u};
${lines(perThread, (j) => `    o${j} += p${u} * v${u}_${j};`)}`)
      }
  }
  // 5. It goes to the cache from the first of the heads that share it, where the
  // keys end; not before, as loads would wait behind it.
${toCache(token)}
  // 6. Totals over the groups of threads.
${totals(token)}`,
    )
  }`;
}

/** WGSL: the query and the new key and value, `q0`, `newK0`, `newV0` … */
function newRow({ attrs, shape, names: { qkv } }: Token): string {
  const { D4, perThread, slots } = shape;
  const { query, key, value } = packed(attrs);
  return lines(
    perThread,
    (j) =>
      `  let d${j} = min(slot + ${slots * j}u, ${D4 - 1}u);
  let has${j} = isActive && slot + ${slots * j}u < ${D4}u;
  let q${j} = load_${qkv}(${query("h")}, d${j});
  let newK${j} = load_${qkv}(${key("0u")} + head, d${j});
  let newV${j} = load_${qkv}(${value("0u")} + head, d${j});`,
  );
}

/** WGSL: the keys and values of a thread, `k0_0`, `v0_0` … */
function fromCache(
  { attrs: { Hkv, D }, shape, names: { kCache, vCache } }: Token,
): string {
  const { perThread, across, deep } = shape;
  return `${
    lines(deep, (u) =>
      `    let key${u} = begin + ${u * across}u + place;
    let start${u} = min(key${u}, max(last, 1u) - 1u) * ${Hkv * D}u + head;`)
  }
${
    lines(deep, (u) =>
      lines(perThread, (j) =>
        `    var k${u}_${j} = load_${kCache}(start${u}, d${j});
    var v${u}_${j} = load_${vCache}(start${u}, d${j});`))
  }
${
    lines(deep, (u) =>
      `    if (key${u} >= last) {
${
        lines(perThread, (j) =>
          `      k${u}_${j} = newK${j};\n      v${u}_${j} = newV${j};`)
      }
    }`)
  }`;
}

/** WGSL: the `score` of a thread's key, and all of them in `scores`. */
function scores({ attrs, shape }: Token): string {
  const { D4, perThread, slots, across, deep } = shape;
  const product = (u: number, j: number) => {
    const product = `dot(q${j}, k${u}_${j})`;
    return slots * (j + 1) <= D4
      ? product
      : `select(0.0f, ${product}, has${j})`;
  };
  return `    if (isActive) {
${
    lines(deep, (u) =>
      `      dots[(place + ${u * across}u) * ${slots + 1}u + slot] = ${
        joined(perThread, " + ", (j) =>
          product(u, j))
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
    }`;
}

/** WGSL: stores the new key and value. */
function toCache(
  { attrs: { H, Hkv, D }, shape, names: { kCache, vCache } }: Token,
): string {
  const store = (cache: string, value: string, j: number) =>
    storeHead(cache, { start: "start", d4: `d${j}`, value, shape });
  return `  if (last - first < ${shape.partKeys}u && h * ${Hkv}u % ${H}u < ${Hkv}u && place == 0u) {
    let start = last * ${Hkv * D}u + head;
${
    lines(shape.perThread, (j) =>
      `    if (has${j}) {
      ${store(kCache, `newK${j}`, j)}
      ${store(vCache, `newV${j}`, j)}
    }`)
  }
  }`;
}

/** WGSL: stores the results of a head, or what its part comes to. */
function totals({ attrs: { D }, shape, names }: Token): string {
  const { D4, perThread, slots, across, parts } = shape;
  const { partials, out } = names;
  const result = parts === 1
    ? storeHead(out, {
      start: `h * ${D}u`,
      d4: "d",
      value: "(total / allSum)",
      shape,
    })
    : `${partials}[work * ${D4 + 1}u + d] = total;`;
  return `  if (slot == 0u && isActive) { sums[place] = sum; }
${
    lines(perThread, (j) =>
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
  }`)
  }`;
}
