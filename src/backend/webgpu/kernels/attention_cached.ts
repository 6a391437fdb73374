/**
 * Attention of a few new rows over a cache, for generation: bound by reading
 * the cache.
 *
 * A workgroup per new row and head takes 64 keys at a time: first each thread
 * has one key, then each has some numbers of the head. Oracle:
 * ../../reference/attention.ts.
 *
 * @module
 */

import { MASKED, scoreScale } from "../attention/attention_tile.ts";
import { bind, groupIndex, groups } from "../dispatch.ts";
import type { Kernels } from "../kernel.ts";
import { entry, lines, reductions } from "../wgsl.ts";

const THREADS = 64;

/** Kernel of attention over a cache. */
export const attentionCachedKernels: Kernels<"attentionCached"> = {
  attentionCached({ in: inputs, out, attrs }) {
    const { qkv, position } = inputs;
    const { kCache, vCache } = out;
    const { T, S, H, Hkv, D } = attrs;
    const label = "attentionCached";
    const width = (H + 2 * Hkv) * D, kvWidth = Hkv * D;

    // 1. New keys and values go to the cache.
    const copied = bind({
      read: { qkv, position },
      write: { kCache, vCache },
    });
    const n = T * kvWidth, copies = Math.ceil(n / 256);
    const copy = copied.names;
    const copyCode = entry(
      256,
      `
  let i = ${groupIndex(copies)} * 256u + lane;
  if (i >= ${n}u) { return; }
  let source = i / ${kvWidth}u * ${width}u + ${H * D}u + i % ${kvWidth}u;
  let to = ${copy.position}[0] * ${kvWidth}u + i;
  if (to >= ${S * kvWidth}u) { return; }
  ${copy.kCache}[to] = ${copy.qkv}[source];
  ${copy.vCache}[to] = ${copy.qkv}[source + ${kvWidth}u];`,
    );

    // 2. Each row looks at all rows up to itself.
    const { bindings, names } = bind({
      read: { qkv, position, kCache, vCache },
      write: { out: out.out },
    });
    const total = T * H;
    const parts = Math.ceil(D / THREADS);
    const code = `
${reductions(THREADS)}
var<workgroup> probs: array<f32, ${THREADS}>;
${
      entry(
        THREADS,
        `
  let work = ${groupIndex(total)};
  if (work >= ${total}u) { return; }
  let h = work % ${H}u;
  let t = work / ${H}u;
  let head = h * ${Hkv}u / ${H}u * ${D}u;
  let q = t * ${width}u + h * ${D}u;
  let count = min(${names.position}[0] + t + 1u, ${S}u);
  var top = ${MASKED};
  var sum = 0.0f;
${lines(parts, (j) => `  var o${j} = 0.0f;`)}
  for (var begin = 0u; begin < count; begin += ${THREADS}u) {
    let key = begin + lane;
    var score = ${MASKED};
    if (key < count) {
      var product = 0.0f;
      for (var d = 0u; d < ${D}u; d++) {
        product += ${names.qkv}[q + d] * ${names.kCache}[key * ${kvWidth}u + head + d];
      }
      score = product * ${scoreScale(attrs)};
    }
    let before = top;
    top = max(top, maxAll(score, lane));
    let p = select(0.0f, exp(score - top), key < count);
    probs[lane] = p;
    let shrink = exp(before - top);
    sum = sum * shrink + sumAll(p, lane); // its barriers publish probs as well
${lines(parts, (j) => `    o${j} *= shrink;`)}
    let last = min(${THREADS}u, count - begin);
    for (var j = 0u; j < last; j++) {
      let at = (begin + j) * ${kvWidth}u + head;
${
          lines(parts, (j) =>
            `      ${
              (j + 1) * THREADS <= D
                ? ""
                : `if (lane + ${j * THREADS}u < ${D}u) `
            }{ o${j} += probs[j] * ${names.vCache}[at + lane + ${
              j * THREADS
            }u]; }`)
        }
    }
    workgroupBarrier();
  }
${
          lines(parts, (j) =>
            `  if (lane + ${j * THREADS}u < ${D}u) {
    ${names.out}[(t * ${H}u + h) * ${D}u + lane + ${
              j * THREADS
            }u] = o${j} / sum;
  }`)
        }`,
      )
    }`;
    return [
      {
        label,
        bindings: copied.bindings,
        code: copyCode,
        workgroups: groups(copies),
      },
      { label, bindings, code, workgroups: groups(total) },
    ];
  },
};
