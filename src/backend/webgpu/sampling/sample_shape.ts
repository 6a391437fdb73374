/**
 * How the ids of a vocabulary are cut for drawing one of them, and the WGSL
 * that the dispatches of a draw share.
 *
 * @module
 */

import { joined, lines, reductions } from "../shader/wgsl.ts";

/** Threads of every dispatch of a draw. */
export const SAMPLE_THREADS = 256;
/** Most ids that are drawn from in workgroup memory. */
export const SHORT_LIST = 1024;
/** Below every finite number that a score can be. */
export const LOWEST = "-3.4028234e38f";

/** Ids that a thread of the wide dispatches has, at the least. */
const FEWEST_EACH = 4;
/** One for each thread of the last dispatch. */
const MOST_BLOCKS = SAMPLE_THREADS;
/** Where a CPU computes, which is slow at barriers: measured with llvmpipe. */
const MOST_SOFTWARE_BLOCKS = 8;

/** How many ids there are, and how they are cut. */
export interface SampleShape {
  readonly V: number;
  /** Ids of a thread, of a workgroup, and workgroups. */
  readonly each: number;
  readonly block: number;
  readonly blocks: number;
  /** Groups of threads of a block, whose largest scores are noted. */
  readonly perBlock: number;
  readonly groups: number;
  /**
   * Where in the notes the numbers of the first block are, by what they say.
   */
  readonly notes: Record<"top" | "first" | "isBad" | "sum" | "count", number>;
  readonly noteCount: number;
}

/** Fixes how ids are cut. */
export function sampleShape(
  V: number,
  { isSoftware }: { isSoftware: boolean },
): SampleShape {
  const mostBlocks = isSoftware ? MOST_SOFTWARE_BLOCKS : MOST_BLOCKS;
  const narrow = SAMPLE_THREADS * FEWEST_EACH;
  const each = FEWEST_EACH * Math.ceil(V / (narrow * mostBlocks));
  const block = SAMPLE_THREADS * each;
  const blocks = Math.ceil(V / block);
  const most = Math.min(SAMPLE_THREADS, Math.floor(SHORT_LIST / blocks));
  const perBlock = 2 ** Math.floor(Math.log2(most));
  const groups = blocks * perBlock;
  const note = (n: number) => groups + n * blocks;
  return {
    ...{ V, each, block, blocks, perBlock, groups },
    notes: {
      top: note(0),
      first: note(1),
      isBad: note(2),
      sum: note(3),
      count: note(4),
    },
    noteCount: note(5),
  };
}

/** WGSL: `keyOf(x)`, the bits of a float, in an order that is its own. */
export const KEY_OF = `
fn keyOf(x: f32) -> u32 {
  let bits = bitcast<u32>(select(x, 0.0f, x == 0.0f));
  return select(bits | 0x80000000u, ~bits, (bits >> 31u) == 1u);
}
`;

/**
 * WGSL: the score of logit `x` of id `i`, whose word says whether it was used.
 */
export function penalized(word: string, penalty: string): string {
  return `select(x, select(x * ${penalty}, x / ${penalty}, x > 0.0f), ` +
    `((${word} >> (i & 31u)) & 1u) == 1u)`;
}

const SIDE = Math.sqrt(SAMPLE_THREADS);

/**
 * WGSL over all threads, in a fixed order: `sumAll` and `maxAll`, `sumAll4` of
 * vectors, and `before`. To be called by all.
 */
export const SAMPLE_SUMS = `
${reductions(SAMPLE_THREADS)}
var<workgroup> foldFirst: array<vec4<f32>, ${SAMPLE_THREADS}>;
var<workgroup> foldSecond: array<vec4<f32>, ${SIDE}>;
var<workgroup> spans: array<f32, ${SAMPLE_THREADS}>;
fn sumAll4(value: vec4<f32>, lane: u32) -> vec4<f32> {
  foldFirst[lane] = value;
  workgroupBarrier();
  if (lane < ${SIDE}u) {
    foldSecond[lane] = ${
  joined(SIDE, " + ", (i) => `foldFirst[lane + ${i * SIDE}u]`)
};
  }
  workgroupBarrier();
  return ${joined(SIDE, " + ", (i) => `foldSecond[${i}]`)};
}
/**
 * The sum of the threads before, of all, and of those up to this one: where one
 * thread ends, exactly there begins the next. Values are not negative.
 */
fn before(value: f32, lane: u32) -> vec3<f32> {
  reduceFirst[lane] = value;
  workgroupBarrier();
  let row = lane / ${SIDE}u;
  let column = lane % ${SIDE}u;
  if (lane < ${SIDE}u) {
    reduceSecond[lane] = ${
  joined(SIDE, " + ", (i) => `reduceFirst[lane * ${SIDE}u + ${i}u]`)
};
  }
  workgroupBarrier();
  var rows = 0.0f;
  var within = 0.0f;
  var total = 0.0f;
${
  lines(SIDE, (i) =>
    `  rows += select(0.0f, reduceSecond[${i}], ${i}u < row);
  within += select(0.0f, reduceFirst[row * ${SIDE}u + ${i}u], ${i}u < column);
  total += reduceSecond[${i}];`)
}
  spans[lane] = rows + within;
  workgroupBarrier();
  let end = select(total, spans[min(lane + 1u, ${
  SAMPLE_THREADS - 1
}u)], lane < ${SAMPLE_THREADS - 1}u);
  return vec3<f32>(rows + within, total, end);
}
`;
