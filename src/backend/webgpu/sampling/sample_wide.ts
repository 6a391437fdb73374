/**
 * The two dispatches that go over a large vocabulary with many workgroups, each
 * with a block of ids: scores with what is to be known of each block, and the
 * ids that top-k or top-p may keep.
 *
 * Those are the ids that reach the k-th largest of the largest scores of
 * groups: there are k or more, and not many more where groups are many more
 * than k. Every block finds that bound anew, which is faster than waiting.
 *
 * @module
 */

import { bind, type Dispatch, type GpuTensor, groups } from "../dispatch.ts";
import { entry, IS_FINITE, joined, lines } from "../shader/wgsl.ts";
import { findLeast } from "./sample_search.ts";
import {
  KEY_OF,
  LOWEST,
  penalized,
  SAMPLE_SUMS,
  SAMPLE_THREADS,
  type SampleShape,
  SHORT_LIST,
} from "./sample_shape.ts";

/** Digits of the bound; the lower bits make the list no shorter to speak of. */
const BOUND_DIGITS = 10;

type Tensors<N extends string> = Record<N, GpuTensor>;

/** Scores, and notes of every group and block. */
export function surveyDispatch(
  tensors: {
    read: Tensors<"logits" | "settings" | "choice" | "used">;
    write: Tensors<"scores" | "notes">;
  },
  { V, each, block, blocks, perBlock, notes: at }: SampleShape,
): Dispatch {
  const { bindings, names } = bind(tensors);
  const { logits, settings, choice, used, scores, notes } = names;
  const id = (j: number) => `let i = start + ${j * SAMPLE_THREADS}u;`;
  const code = IS_FINITE + SAMPLE_SUMS + entry(
    SAMPLE_THREADS,
    `
  let n = min(${choice}[5], ${V}u);
  let temperature = ${settings}[0];
  let penalty = ${settings}[2];
  let start = group.x * ${block}u + lane;
${
      lines(each, (j) =>
        `  var x${j} = 0.0f;
  var word${j} = 0u;
  {
    ${id(j)}
    if (i < n) { x${j} = ${logits}[i]; word${j} = ${used}[i >> 5u]; }
  }`)
    }
  var largest = ${LOWEST};
  var first = n;
  var bad = 0.0f;
${
      lines(each, (j) =>
        `  {
    ${id(j)}
    if (i < n) {
      let x = x${j};
      if (!isFinite(x)) { bad = 1.0f; }
      x${j} = ${penalized(`word${j}`, "penalty")};
      ${scores}[i] = x${j};
      if (first == n || x${j} > largest) { largest = x${j}; first = i; }
    }
  }`)
    }
  let top = maxAll(select(${LOWEST}, largest, first < n), lane);
  if (lane < ${perBlock}u) {
    ${notes}[group.x * ${perBlock}u + lane] = ${
      Array.from(
        { length: SAMPLE_THREADS / perBlock },
        (_, i) => `reduceFirst[lane + ${i * perBlock}u]`,
      ).reduce((a, b) => `max(${a}, ${b})`)
    };
  }
  workgroupBarrier();
  // Numbers of ids are exact in f32.
  let mine = select(-3.0e9f, -f32(first), first < n && largest == top);
  let least = maxAll(mine, lane);
  let isBad = maxAll(bad, lane);
  var sum = 0.0f;
  if (temperature > 0.0f) {
${
      lines(
        each,
        (j) =>
          `    sum += select(0.0f, exp((x${j} - top) / temperature), start + ${
            j * SAMPLE_THREADS
          }u < n);`,
      )
    }
  }
  sum = sumAll(sum, lane);
  if (lane == 0u) {
    ${notes}[${at.top}u + group.x] = top;
    ${notes}[${at.first}u + group.x] = -least;
    ${notes}[${at.isBad}u + group.x] = isBad;
    ${notes}[${at.sum}u + group.x] = sum;
  }`,
  );
  return { label: "sample", bindings, code, workgroups: groups(blocks) };
}

/** The ids of each block that may be kept, in their order, and their number. */
export function shortlistDispatch(
  tensors: {
    read: Tensors<"settings" | "choice" | "scores">;
    write: Tensors<"notes" | "hits">;
  },
  { V, each, block, blocks, groups: count, notes: at }: SampleShape,
): Dispatch {
  const { bindings, names } = bind(tensors);
  const { settings, choice, scores, notes, hits } = names;
  const turns = Math.ceil(count / SAMPLE_THREADS);
  const group = (u: number) => `lane + ${u * SAMPLE_THREADS}u`;
  const code = KEY_OF + SAMPLE_SUMS + entry(
    SAMPLE_THREADS,
    `
  let n = min(${choice}[5], ${V}u);
  let topK = ${choice}[4];
  let isCut = topK > 0u && topK < n;
  if (${settings}[0] == 0.0f || !(isCut || ${settings}[1] < 1.0f)) { return; }
  // Of top-p it is not known how many: as many as are likely to fit.
  let wanted = select(${count / 2}u, topK, isCut);
  if (wanted > ${count}u) {
    if (lane == 0u) { ${notes}[${at.count}u + group.x] = ${SHORT_LIST + 1}.0f; }
    return;
  }
${
      lines(turns, (u) =>
        `  let top${u} = ${notes}[min(${group(u)}, ${count - 1}u)];`)
    }
  var least = 0u;
  let goal = f32(wanted);
${
      findLeast({
        each: (body) =>
          lines(turns, (u) =>
            `if (${group(u)} < ${count}u) { let x = top${u}; ${body} }`),
        key: "keyOf(x)",
        amount: "1.0f",
      }, { goal: "goal", digits: BOUND_DIGITS })
    }
  let start = group.x * ${block}u + lane * ${each}u;
${
      lines(each, (j) =>
        `  var is${j} = false;
  if (start + ${j}u < n) { is${j} = keyOf(${scores}[start + ${j}u]) >= least; }`)
    }
  let span = before(${
      joined(each, " + ", (j) => `select(0.0f, 1.0f, is${j})`)
    }, lane);
  var to = group.x * ${block}u + u32(span.x);
${
      lines(
        each,
        (j) => `  if (is${j}) { ${hits}[to] = start + ${j}u; to++; }`,
      )
    }
  if (lane == 0u) { ${notes}[${at.count}u + group.x] = span.y; }`,
  );
  return { label: "sample", bindings, code, workgroups: groups(blocks) };
}
