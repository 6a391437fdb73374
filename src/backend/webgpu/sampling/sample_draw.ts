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
  KEY_OF,
  LOWEST,
  penalized,
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
  const { settings, choice, used, drawn, id } = names;
  // Not beyond their arrays, whatever the numbers given are.
  const slot = `min(${choice}[3], ${tensors.write.drawn.length - 1}u)`;
  const isSmall = tensors.read.logits !== undefined;
  const sources = isSmall ? fromLogits(names, shape) : fromNotes(names, shape);
  const body = `
  let n = min(${choice}[5], ${shape.V}u);
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
      ${run()}
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
    chosen = min(chosen, ${shape.V - 1}u);
    ${id}[0] = chosen;
    ${drawn}[${slot}] = chosen;
    ${used}[chosen >> 5u] |= 1u << (chosen & 31u);
  }`;
  const code = philoxFunction({ hasU64 }) + IS_FINITE + KEY_OF + SAMPLE_SUMS +
    `
var<workgroup> list: array<f32, ${SHORT_LIST}>;
${sources.declarations}
fn uniform(draw: u32) -> f32 {
  let words = philox(
    vec4<u32>(draw >> 2u, 0u, 0u, ${STREAM.sampling}u),
    vec2<u32>(${choice}[0], ${choice}[1]),
  );
  return f32(words[draw & 3u] >> 8u) / 16777216.0f;
}
/**
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
` + entry(SAMPLE_THREADS, body);
  return { label: "sample", bindings, code, workgroups: [1, 1, 1] };
}

/** Where the numbers to draw from are. */
interface Sources {
  /** `numberAt(i)`, `put(i, x)` and `idAt(i)`. */
  readonly declarations: string;
  /** Declares `most`, `greedy` and `isBad`. */
  readonly survey: string;
  /** Sets `m`, where some of the ids are enough. */
  readonly shortlist: string;
  /** Corrects `goal` where the list has not all that top-p is a share of. */
  readonly allOfTopP: string;
  /** Sets what each thread has, and `share`, where nothing is cut. */
  readonly block: string;
}

/** The run of numbers of a thread among all `m`. */
function run(): string {
  return `{
        let length = (m + ${SAMPLE_THREADS - 1}u) / ${SAMPLE_THREADS}u;
        begin = min(lane * length, m);
        end = min(begin + length, m);
      }`;
}

/** WGSL: the largest number of all threads' `largest`, and the first that is. */
const LARGEST = `
  let most = maxAll(select(${LOWEST}, largest, first < n), lane);
  // Numbers of ids are exact in f32.
  let mine = select(-3.0e9f, -f32(first), first < n && largest == most);
  let greedy = u32(-maxAll(mine, lane));
  let isBad = maxAll(bad, lane) > 0.0f;`;

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

function fromLogits(
  { logits, settings, used }: Record<"logits" | "settings" | "used", string>,
  { V }: SampleShape,
): Sources {
  if (V > SHORT_LIST) throw new RangeError(`Cannot list ${V} ids`);
  return {
    declarations: `
fn numberAt(i: u32) -> f32 { return list[i]; }
fn put(i: u32, x: f32) { list[i] = x; }
fn idAt(i: u32) -> u32 { return i; }`,
    survey: `
  let penalty = ${settings}[2];
  var largest = ${LOWEST};
  var first = n;
  var bad = 0.0f;
  for (var i = lane; i < n; i += ${SAMPLE_THREADS}u) {
    let x = ${logits}[i];
    if (!isFinite(x)) { bad = 1.0f; }
    let score = ${penalized(`${used}[i >> 5u]`, "penalty")};
    list[i] = score;
    if (first == n || score > largest) { largest = score; first = i; }
  }
  ${LARGEST}`,
    shortlist: "",
    allOfTopP: "",
    block: run(),
  };
}

function fromNotes(
  { notes, hits, scores }: Record<"notes" | "hits" | "scores", string>,
  { block, blocks, each, notes: at }: SampleShape,
): Sources {
  const note = (of: keyof typeof at) => `${notes}[${at[of]}u + lane]`;
  const has = `lane < ${blocks}u`;
  const blockWeight = `
        var blockWeight = 0.0f;
        if (${has}) {
          blockWeight = ${note("sum")} * exp((${
    note("top")
  } - most) / temperature);
        }`;
  return {
    declarations: `
var<workgroup> listed: array<u32, ${SHORT_LIST}>;
var<workgroup> foundBlock: u32;
var<workgroup> foundShare: f32;
var<private> isList: bool;
fn numberAt(i: u32) -> f32 {
  if (isList) { return list[i]; }
  return ${scores}[i];
}
fn put(i: u32, x: f32) {
  if (isList) { list[i] = x; } else { ${scores}[i] = x; }
}
fn idAt(i: u32) -> u32 {
  if (isList) { return listed[i]; }
  return i;
}`,
    survey: `
  isList = false;
  var largest = ${LOWEST};
  var first = n;
  var bad = 0.0f;
  if (${has}) {
    largest = ${note("top")};
    first = u32(min(${note("first")}, f32(n)));
    bad = ${note("isBad")};
  }
  ${LARGEST}`,
    shortlist: `
      var count = 0.0f;
      if (${has}) { count = ${note("count")}; }
      let listedSpan = before(count, lane);
      if (listedSpan.y <= ${SHORT_LIST}.0f) {
        isList = true;
        m = u32(listedSpan.y);
        let to = u32(listedSpan.x);
        for (var i = 0u; i < u32(count); i++) {
          let id = ${hits}[lane * ${block}u + i];
          listed[to + i] = id;
          list[to + i] = ${scores}[id];
        }
      }
      workgroupBarrier();`,
    allOfTopP: `
        if (!isTopK) {
          ${blockWeight}
          let listedWeight = sumAll(sum, lane);
          goal = topP * sumAll(blockWeight, lane);
          if (isList && listedWeight < goal) { // they are not enough
            isList = false;
            m = n;
            ${run()}
            sum = weigh(begin, end, 0u, 0.0f, most, temperature);
          }
        }`,
    block: `
      ${blockWeight}
      let blockSpan = before(blockWeight, lane);
      let blockAt = number * blockSpan.y;
      if (blockSpan.x <= blockAt && blockAt < blockSpan.z) {
        foundBlock = lane;
        foundShare = (blockAt - blockSpan.x) / blockWeight;
      }
      workgroupBarrier();
      share = foundShare;
      begin = min(foundBlock * ${block}u + lane * ${each}u, n);
      end = min(begin + ${each}u, n);`,
  };
}
