/**
 * The dispatch that draws, in one workgroup: from a list in its memory, where
 * the ids that may be kept are few enough; else from all.
 *
 * Each thread has a run of neighbouring ids, so that sums over threads, in
 * their order, are sums in the order of ids. Sums are f32, so a draw can fall
 * on a neighbour of what f64 gives, about once in a million. Where nothing is
 * cut, the sums of blocks say in which one the draw falls.
 *
 * @module
 */

import { STREAM } from "../../../base/philox.ts";
import { NO_TOKEN } from "../../../graph/ops.ts";
import { bind, type Dispatch, type GpuTensor } from "../dispatch.ts";
import { philoxFunction } from "../shader/philox.ts";
import { entry, IS_FINITE, lines } from "../shader/wgsl.ts";
import { search, type Searched } from "./sample_search.ts";
import {
  fromLogits,
  fromNotes,
  runOfThread,
  type Sources,
} from "./sample_sources.ts";
import {
  KEY_OF,
  SAMPLE_SUMS,
  SAMPLE_THREADS,
  type SampleShape,
  SHORT_LIST,
} from "./sample_shape.ts";

type Tensors<N extends string> = Record<N, GpuTensor>;

/** What the dispatch reads and writes. */
export interface DrawTensors {
  read: Tensors<"settings" | "choice"> & {
    /** Of a small vocabulary, which is a list at once. */
    logits?: GpuTensor;
    /** Of a large one, by sample_wide.ts. */
    notes?: GpuTensor;
    hits?: GpuTensor;
  };
  write: Tensors<"id" | "drawn" | "used"> & { scores?: GpuTensor };
}

/** Draws by `logits`, or by what the wide dispatches have found. */
export function drawDispatch(
  tensors: DrawTensors,
  shape: SampleShape,
  { hasU64 }: { hasU64: boolean },
): Dispatch {
  const { bindings, names } = bind(tensors);
  const isSmall = tensors.read.logits !== undefined;
  const sources = isSmall ? fromLogits(names, shape) : fromNotes(names, shape);
  // Not beyond its array, whatever the number given is.
  const slot = `min(${names.choice}[3], ${tensors.write.drawn.length - 1}u)`;
  const code = philoxFunction({ hasU64 }) + IS_FINITE + KEY_OF + SAMPLE_SUMS +
    `
var<workgroup> list: array<f32, ${SHORT_LIST}>;
${sources.declarations}
fn uniform(draw: u32) -> f32 {
  let words = philox(
    vec4<u32>(draw >> 2u, 0u, 0u, ${STREAM.sampling}u),
    vec2<u32>(${names.choice}[0], ${names.choice}[1]),
  );
  return f32(words[draw & 3u] >> 8u) / 16777216.0f;
}
${WEIGHTS}` +
    entry(SAMPLE_THREADS, drawCode(names, { sources, slot, V: shape.V }));
  return { label: "sample", bindings, code, workgroups: [1, 1, 1] };
}

function drawCode(
  { settings, choice, used, drawn, id }: Record<
    "settings" | "choice" | "used" | "drawn" | "id",
    string
  >,
  { sources, slot, V }: { sources: Sources; slot: string; V: number },
): string {
  return `
  let n = min(${choice}[5], ${V}u);
  let temperature = ${settings}[0];
  var m = n; // how many there are to draw from
  var begin = 0u; // those of this thread
  var end = 0u;
  // 1. The first of the largest scores, and whether all are numbers.
  ${sources.survey}
  var chosen = greedy;
  var isMine = lane == 0u;
  if (temperature > 0.0f) {
    let topK = ${choice}[4];
    let topP = ${settings}[1];
    let isTopK = topK > 0u && topK < n;
    let number = min(uniform(${choice}[2]), 0.9999999f); // however it is rounded
    var share = number;
    var least = 0u;
    var above = 0.0f;
    var ties = 0.0f;
    if (isTopK || topP < 1.0f) {
      ${sources.shortlist}
      ${runOfThread()}
      // 2. Top-k: the least key that is kept, and how many of its equals.
      if (isTopK) {
        let goal = f32(topK);
        ${search(searched("keyOf(x)", "1.0f"), "goal")}
        ties = quota(begin, end, least, goal - above, false, lane);
      }
    } else {
      ${sources.block}
    }
    var sum = weigh(begin, end, least, ties, most, temperature);
    // 3. Top-p, in the same way.
    if (topP < 1.0f) {
      var goal = topP * sumAll(sum, lane);
      ${sources.allOfTopP}
      storageBarrier(); // what the others have written
      workgroupBarrier();
      least = 0u;
      ${search(searched("bitcast<u32>(x)", "x"), "goal")}
      let wanted = max(1.0f, ceil((goal - above) / bitcast<f32>(least)));
      ties = quota(begin, end, least, wanted, true, lane);
      sum = keep(begin, end, least, ties);
    }
    // 4. The draw falls into the ids of one thread.
    let span = before(sum, lane);
    let at = min(share, 0.9999999f) * span.y;
    var reached = span.x;
    isMine = span.x <= at && at < span.z;
    chosen = n;
    for (var i = begin; i < end; i++) {
      let weight = numberAt(i);
      if (weight > 0.0f && (chosen == n || reached <= at)) {
        chosen = idAt(i);
        reached += weight;
      }
    }
  }
  if (isBad) {
    if (lane == 0u) {
      ${id}[0] = 0u;
      ${drawn}[${slot}] = ${NO_TOKEN}u;
    }
  } else if (isMine) {
    chosen = min(chosen, ${V - 1}u);
    ${id}[0] = chosen;
    ${drawn}[${slot}] = chosen;
    ${used}[chosen >> 5u] |= 1u << (chosen & 31u);
  }`;
}

/** WGSL that makes weights of scores, and 0 of what is not kept. */
const WEIGHTS = `/**
 * How many of the keys equal to the least this thread keeps, when the first
 * \`ties\` of all are kept.
 */
fn quota(
  begin: u32, end: u32, least: u32, ties: f32, isWeight: bool, lane: u32,
) -> f32 {
  var here = 0.0f;
  for (var i = begin; i < end; i++) {
    let x = numberAt(i);
    let key = select(keyOf(x), bitcast<u32>(x), isWeight);
    if (key == least) { here += 1.0f; }
  }
  return ties - before(here, lane).x;
}
/** Makes weights of scores, 0 of what is not kept; their sum. */
fn weigh(
  begin: u32, end: u32, least: u32, ties: f32, most: f32, temperature: f32,
) -> f32 {
  var sum = 0.0f;
  var left = ties;
  for (var i = begin; i < end; i++) {
    let x = numberAt(i);
    let key = keyOf(x);
    var kept = key > least;
    if (key == least && left > 0.0f) { kept = true; left -= 1.0f; }
    let weight = select(0.0f, exp((x - most) / temperature), kept);
    put(i, weight);
    sum += weight;
  }
  return sum;
}
/** Makes 0 of the weights that are not kept; the sum of the others. */
fn keep(begin: u32, end: u32, least: u32, ties: f32) -> f32 {
  var sum = 0.0f;
  var left = ties;
  for (var i = begin; i < end; i++) {
    let x = numberAt(i);
    let key = bitcast<u32>(x);
    var kept = key > least;
    if (key == least && left > 0.0f) { kept = true; left -= 1.0f; }
    if (kept) { sum += x; } else { put(i, 0.0f); }
  }
  return sum;
}
`;

/** All that there is to draw from, by key and amount of number `x`. */
function searched(key: string, amount: string): Searched {
  return { each: eachNumber, key, amount };
}

/** Numbers that a thread asks for at once. */
const AT_ONCE = 4;

/** A loop over all `m` numbers, in any order. */
function eachNumber(body: string): string {
  const number = (u: number) => `at + ${u * SAMPLE_THREADS}u`;
  return `
    for (var at = lane; at < m; at += ${AT_ONCE * SAMPLE_THREADS}u) {
${
    lines(AT_ONCE, (u) =>
      `      let x${u} = numberAt(min(${number(u)}, m - 1u));`)
  }
${
    lines(AT_ONCE, (u) =>
      `      if (${number(u)} < m) { let x = x${u}; ${body} }`)
  }
    }`;
}
