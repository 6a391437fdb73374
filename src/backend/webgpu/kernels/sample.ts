/**
 * Choosing the next token, in one workgroup: no host, and nothing sorted.
 *
 * Each thread has a run of neighbouring ids, so that sums over threads, in
 * their order, are sums in the order of ids. The bits of scores, or of
 * weights, order like the numbers: the least that top-k and top-p keep is
 * found digit by digit, three bits at a time from the top. Sums are f32, so a
 * draw can fall on a neighbour of what f64 gives, about once in a million.
 * Oracle: ../../reference/sample.ts.
 *
 * @module
 */

import { STREAM } from "../../../base/philox.ts";
import { NO_TOKEN } from "../../../graph/ops.ts";
import { bind } from "../dispatch.ts";
import type { Kernels } from "../kernel.ts";
import { philoxFunction } from "../philox.ts";
import { entry, IS_FINITE, reductions } from "../wgsl.ts";

const THREADS = 256;
/** Below every finite number that a score can be. */
const LOWEST = "-3.4028234e38f";
/** Digits of three bits of a word. */
const DIGITS = 11;

/** The last step of generation. */
export const sampleKernels: Kernels<"sample"> = {
  sample({ in: inputs, out: write, attrs: { V } }, context) {
    const { bindings, names } = bind({
      read: inputs,
      write: {
        ...write,
        scores: context.scratch(V),
        weights: context.scratch(V),
      },
    });
    const { logits, settings, choice, used, drawn, id } = names;
    const { scores, weights } = names;
    const each = (body: string) =>
      `for (var i = begin; i < end; i++) { ${body} }`;

    const body = `
  let n = min(${choice}[5], ${V}u);
  let chunk = (n + ${THREADS - 1}u) / ${THREADS}u;
  let begin = min(lane * chunk, n);
  let end = min(begin + chunk, n);
  let temperature = ${settings}[0];
  let penalty = ${settings}[2];

  // 1. Scores, the first of the largest, and whether all are numbers.
  var largest = ${LOWEST};
  var first = n;
  var bad = 0.0f;
  ${
      each(`
    var x = ${logits}[i];
    if (!isFinite(x)) { bad = 1.0f; }
    if (((${used}[i >> 5u] >> (i & 31u)) & 1u) == 1u) {
      x = select(x * penalty, x / penalty, x > 0.0f);
    }
    ${scores}[i] = x;
    if (first == n || x > largest) { largest = x; first = i; }`)
    }
  let isBad = maxAll(bad, lane) > 0.0f;
  let most = maxAll(select(${LOWEST}, largest, first < n), lane);
  // Numbers of ids are exact in f32.
  let mine = select(-3.0e9f, -f32(first), first < n && largest == most);
  let greedy = u32(-maxAll(mine, lane));

  var chosen = greedy;
  var isMine = lane == 0u;
  if (temperature > 0.0f) {
    // 2. Top-k: the least key that is kept, and how many of its equals.
    var least = 0u;
    var ties = f32(n);
    let k = f32(${choice}[4]);
    if (${choice}[4] > 0u && ${choice}[4] < n) {
      ${
      search({
        key: `keyOf(${scores}[i])`,
        amount: "1.0f",
        goal: "k",
      })
    }
      ties = k - above;
    }
    ${quota({ key: `keyOf(${scores}[i])`, ties: "ties", each, to: "topKTies" })}
    // 3. Weights, 0 for what is not kept.
    var sum = 0.0f;
    ${
      each(`
    let key = keyOf(${scores}[i]);
    var kept = key > least;
    if (key == least && topKTies > 0.0f) { kept = true; topKTies -= 1.0f; }
    let weight = select(0.0f, exp((${scores}[i] - most) / temperature), kept);
    ${weights}[i] = weight;
    sum += weight;`)
    }
    // 4. Top-p, in the same way.
    let topP = ${settings}[1];
    if (topP < 1.0f) {
      let goal = topP * (before(sum, lane).y);
      var least = 0u;
      ${
      search({
        key: `bitcast<u32>(${weights}[i])`,
        amount: `${weights}[i]`,
        goal: "goal",
      })
    }
      let wanted = max(1.0f, ceil((goal - above) / bitcast<f32>(least)));
      ${
      quota({
        key: `bitcast<u32>(${weights}[i])`,
        ties: "wanted",
        each,
        to: "topPTies",
      })
    }
      sum = 0.0f;
      ${
      each(`
      let key = bitcast<u32>(${weights}[i]);
      var kept = key > least;
      if (key == least && topPTies > 0.0f) { kept = true; topPTies -= 1.0f; }
      if (!kept) { ${weights}[i] = 0.0f; }
      sum += ${weights}[i];`)
    }
    }
    // 5. The draw falls into the ids of one thread.
    let span = before(sum, lane);
    // Below the total, however the product is rounded.
    let at = min(uniform(${choice}[2]), 0.9999999f) * span.y;
    var reached = span.x;
    isMine = span.x <= at && at < span.z;
    chosen = n;
    ${
      each(`
    let weight = ${weights}[i];
    if (weight > 0.0f && (chosen == n || reached <= at)) {
      chosen = i;
      reached += weight;
    }`)
    }
  }
  if (isBad) {
    if (lane == 0u) {
      ${id}[0] = 0u;
      ${drawn}[${choice}[3]] = ${NO_TOKEN}u;
    }
  } else if (isMine) {
    ${id}[0] = chosen;
    ${drawn}[${choice}[3]] = chosen;
    ${used}[chosen >> 5u] |= 1u << (chosen & 31u);
  }`;

    const code = philoxFunction(context) + IS_FINITE + reductions(THREADS) + `
var<workgroup> foldFirst: array<vec4<f32>, ${THREADS}>;
var<workgroup> foldSecond: array<vec4<f32>, 16>;
/** The bits of a float, in an order that is its own. */
fn keyOf(x: f32) -> u32 {
  let bits = bitcast<u32>(select(x, 0.0f, x == 0.0f));
  return select(bits | 0x80000000u, ~bits, (bits >> 31u) == 1u);
}
fn uniform(draw: u32) -> f32 {
  let words = philox(
    vec4<u32>(draw >> 2u, 0u, 0u, ${STREAM.sampling}u),
    vec2<u32>(${choice}[0], ${choice}[1]),
  );
  return f32(words[draw & 3u] >> 8u) / 16777216.0f;
}
/** Sums over all threads. */
fn sumAll4(value: vec4<f32>, lane: u32) -> vec4<f32> {
  foldFirst[lane] = value;
  workgroupBarrier();
  if (lane < 16u) {
    foldSecond[lane] = ${
      Array.from({ length: 16 }, (_, i) => `foldFirst[lane * 16u + ${i}u]`)
        .join(" + ")
    };
  }
  workgroupBarrier();
  return ${
      Array.from({ length: 16 }, (_, i) => `foldSecond[${i}]`).join(" + ")
    };
}
/** The sum of the threads before, of all, and of those up to this one. */
fn before(value: f32, lane: u32) -> vec3<f32> {
  reduceFirst[lane] = value;
  workgroupBarrier();
  var sum = 0.0f;
  var result = vec3<f32>(0.0f);
  for (var i = 0u; i < ${THREADS}u; i++) {
    if (i == lane) { result.x = sum; }
    sum += reduceFirst[i];
    if (i == lane) { result.z = sum; }
  }
  result.y = sum;
  workgroupBarrier();
  return result;
}
` + entry(THREADS, body);
    return [{ label: "sample", bindings, code, workgroups: [1, 1, 1] }];
  },
};

/** WGSL that walks over the ids of a thread. */
type Each = (body: string) => string;

/**
 * Statements: `least` becomes the largest key such that the amounts of the
 * keys from it on reach `goal`, and `above` the amounts of those beyond it.
 */
function search(
  { key, amount, goal }: { key: string; amount: string; goal: string },
): string {
  // Here the order of ids does not matter: neighbours read neighbours.
  const each: Each = (body) =>
    `for (var i = lane; i < n; i += ${THREADS}u) { ${body} }`;
  return `
      storageBarrier(); // what the others have written
      for (var digit = 0u; digit < ${DIGITS}u; digit++) {
        let shift = 3u * (${DIGITS - 1}u - digit);
        // The topmost digit has two bits: more would be beyond the word.
        let isTop = digit == 0u;
        let low = vec4<u32>(least) + (vec4<u32>(0u, 1u, 2u, 3u) << vec4(shift));
        let high = vec4<u32>(least) + (vec4<u32>(4u, 5u, 6u, 7u) << vec4(shift));
        var lows = vec4<f32>(0.0f);
        var highs = vec4<f32>(0.0f);
        ${
    each(`
          let key = vec4<u32>(${key});
          let amount = vec4<f32>(${amount});
          lows += select(vec4<f32>(0.0f), amount, key >= low);
          highs += select(vec4<f32>(0.0f), amount, key >= high);`)
  }
        lows = sumAll4(lows, lane);
        highs = sumAll4(highs, lane);
        var reached = select(0u, 1u, lows.y >= ${goal});
        reached = select(reached, 2u, lows.z >= ${goal});
        reached = select(reached, 3u, lows.w >= ${goal});
        if (!isTop) {
          reached = select(reached, 4u, highs.x >= ${goal});
          reached = select(reached, 5u, highs.y >= ${goal});
          reached = select(reached, 6u, highs.z >= ${goal});
          reached = select(reached, 7u, highs.w >= ${goal});
        }
        least += reached << shift;
      }
      var beyond = 0.0f;
      ${each(`if (${key} > least) { beyond += ${amount}; }`)}
      let above = before(beyond, lane).y;`;
}

/**
 * Statements: `to` becomes how many of the keys equal to `least` this thread
 * keeps, when the first `ties` of all are kept.
 */
function quota(
  { key, ties, each, to }: {
    key: string;
    ties: string;
    each: Each;
    to: string;
  },
): string {
  return `
    var ${to}Here = 0.0f;
    ${each(`if (${key} == least) { ${to}Here += 1.0f; }`)}
    var ${to} = ${ties} - before(${to}Here, lane).x;`;
}
