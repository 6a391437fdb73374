/**
 * Where a draw has its numbers from: the logits of a small vocabulary, which
 * are a list at once, or what sample_wide.ts has noted of a large one.
 *
 * @module
 */

import {
  LOWEST,
  penalized,
  SAMPLE_THREADS,
  type SampleShape,
  SHORT_LIST,
} from "./sample_shape.ts";

/** Where the numbers to draw from are. */
export interface Sources {
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
export function runOfThread(): string {
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

/** All scores of a vocabulary that a list holds. */
export function fromLogits(
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
    block: runOfThread(),
  };
}

/** A list of the largest scores; all of them, where those are not enough. */
export function fromNotes(
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
            ${runOfThread()}
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
