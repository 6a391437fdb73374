import assert from "node:assert/strict";
import { UserError } from "../../src/base/errors.ts";
import { PhiloxStream, STREAM } from "../../src/base/philox.ts";
import {
  type Candidates,
  candidates,
  sampleKernels,
} from "../../src/backend/reference/sample.ts";
import { NO_TOKEN } from "../../src/graph/ops.ts";
import {
  checkSampling,
  samplingChoice,
  type SamplingOptions,
  samplingSettings,
  usedIds,
} from "../../src/generate/sampling.ts";
import { readFixture } from "../model/_oracle.ts";

const PLAIN: SamplingOptions = {
  temperature: 1,
  topK: 0,
  topP: 1,
  repetitionPenalty: 1,
};

/** Logits whose softmax is 0.5, 0.25, 0.125, 0.125. */
const HALVES = Float32Array.of(3, 2, 1, 1).map((x) => x * Math.LN2);

const oracle = readFixture("sampling.json") as {
  logits: number[];
  history: number[];
  cases: { settings: SamplingOptions; probs: number[] }[];
};

for (const { settings, probs } of oracle.cases) {
  const said = Object.entries(settings).map(([k, v]) => `${k} ${v}`).join(", ");

  Deno.test(`candidates() agree with transformers: ${said}`, () => {
    const logits = Float32Array.from(oracle.logits);
    const ours = new Float64Array(logits.length);
    const chosen = allow(logits, settings, oracle.history);
    chosen.ids.forEach((id, i) => ours[id] = chosen.probs[i]);
    for (const [id, expected] of probs.entries()) {
      // Its penalty and temperature are f32, ours f64.
      const error = Math.abs(ours[id] - expected);
      assert.ok(error < 1e-6, `id ${id}: ${ours[id]}, expected ${expected}`);
      assert.equal(ours[id] === 0, expected === 0, `id ${id}`);
    }
  });
}

Deno.test("candidates() keep all tokens by default", () => {
  const { ids, probs } = allow(HALVES);
  assert.deepEqual([...ids], [0, 1, 2, 3]);
  assertProbs(probs, [0.5, 0.25, 0.125, 0.125]);
});

Deno.test("candidates() of top-k keep the lowest ids among equals", () => {
  const { ids, probs } = allow(HALVES, { topK: 3 });
  assert.deepEqual([...ids], [0, 1, 2]);
  assertProbs(probs, [4 / 7, 2 / 7, 1 / 7]);
  // More than there are is all of them.
  assert.equal(allow(HALVES, { topK: 9 }).ids.length, 4);
});

Deno.test("candidates() of top-k are the first k of all in order", () => {
  const random = new PhiloxStream(3, STREAM.sampling);
  // Few different values, so that many are equal.
  const logits = Float32Array.from({ length: 50 }, () => random.below(20));
  const order = Array.from(logits.keys())
    .sort((a, b) => logits[b] - logits[a] || a - b);
  for (let k = 1; k <= logits.length; k++) {
    const first = order.slice(0, k).sort((a, b) => a - b);
    assert.deepEqual([...allow(logits, { topK: k }).ids], first);
  }
});

Deno.test("candidates() of top-p keep the fewest that reach it", () => {
  const at = (topP: number) => [...allow(HALVES, { topP }).ids];
  assert.deepEqual(at(0.01), [0]);
  assert.deepEqual(at(0.49), [0]);
  assert.deepEqual(at(0.51), [0, 1]);
  assert.deepEqual(at(0.8), [0, 1, 2]); // of two equals the lower id
  assert.deepEqual(at(0.9), [0, 1, 2, 3]);
});

Deno.test("candidates() of top-p are those of a full sort", () => {
  const random = new PhiloxStream(4, STREAM.sampling);
  for (const spread of [0, 0.5, 3, 20]) {
    const logits = Float32Array.from(
      { length: 3000 },
      () => spread * random.normal(),
    );
    const { probs: all } = allow(logits);
    const order = Array.from(all.keys())
      .sort((a, b) => all[b] - all[a] || a - b);
    for (const topP of [0.1, 0.5, 0.9, 0.99, 0.9999]) {
      let reached = 0;
      const size = 1 + order.findIndex((id) => (reached += all[id]) >= topP);
      const first = order.slice(0, size).sort((a, b) => a - b);
      assert.deepEqual([...allow(logits, { topP }).ids], first);
    }
  }
});

Deno.test("candidates() at temperature 0 are the first of the largest", () => {
  const greedy = { temperature: 0, topK: 3, topP: 0.5 };
  const logits = Float32Array.of(-1, 4, 4, 2);
  assert.deepEqual([...allow(logits, greedy).ids], [1]);
  // The penalty comes before: 4 / 4 is less than 4, and 2.
  const penalized = { ...greedy, repetitionPenalty: 4 };
  assert.deepEqual([...allow(logits, penalized, [1]).ids], [2]);
  assert.deepEqual([...allow(logits, penalized, [1, 2]).ids], [3]);
});

Deno.test("candidates() survive a temperature close to 0", () => {
  assertProbs(allow(HALVES, { temperature: 1e-6 }).probs, [1, 0, 0, 0]);
});

Deno.test("sample draws as often as the probabilities say", () => {
  const counts = [0, 0, 0, 0], draws = 4000;
  for (let i = 0; i < draws; i++) counts[draw(i)]++;
  // Standard deviation of the first is sqrt(0.25 / 4000) = 0.008.
  for (const [id, p] of [0.5, 0.25, 0.125, 0.125].entries()) {
    assert.ok(Math.abs(counts[id] / draws - p) < 0.03, `${counts}`);
  }
});

Deno.test("sample gives the same tokens for the same seed only", () => {
  const draws = (seed: number) =>
    Array.from({ length: 40 }, (_, i) => draw(i, { seed }));
  assert.deepEqual(draws(1), draws(1));
  assert.notDeepEqual(draws(1), draws(2));
});

Deno.test("sample notes that logits are not numbers", () => {
  for (const temperature of [0, 1]) {
    const logits = Float32Array.of(1, NaN);
    assert.equal(draw(0, { temperature, logits }), NO_TOKEN);
    // Beyond the vocabulary it does not matter.
    assert.equal(draw(0, { temperature, logits, vocabSize: 1 }), 0);
  }
});

Deno.test("samplingSettings() take the coldest temperatures for none", () => {
  const cold = { ...PLAIN, temperature: 1e-50 };
  assert.deepEqual([...samplingSettings(cold)], [0, 1, 1]);
  assert.equal(draw(0, { temperature: 1e-50 }), 0);
});

Deno.test("samplingChoice() splits the seed, and asks for no more than there are", () => {
  const choice = { seed: 2 ** 40 + 7, draw: 5, slot: 2, vocabSize: 9 };
  assert.deepEqual(
    [...samplingChoice({ ...choice, topK: 2 ** 33 })],
    [7, 256, 5, 2, 9, 9],
  );
});

Deno.test("usedIds() has a bit for each id of the vocabulary", () => {
  const used = usedIds([0, 33, 33, 31, 64, 99], { vocabSize: 65 });
  assert.deepEqual([...used], [0x80000001, 2, 1]);
});

/** The token that the reference draws, from {@linkcode HALVES}. */
function draw(
  n: number,
  { logits = HALVES, seed = 5, vocabSize = logits.length, ...change }:
    & Partial<SamplingOptions>
    & { logits?: Float32Array; seed?: number; vocabSize?: number } = {},
): number {
  const options = { ...PLAIN, ...change };
  const drawn = new Uint32Array(1);
  sampleKernels.sample({
    op: "sample",
    in: {
      logits,
      settings: samplingSettings(options),
      choice: samplingChoice({ ...options, seed, draw: n, slot: 0, vocabSize }),
      used: usedIds([], { vocabSize }),
      drawn,
    },
    out: { id: new Uint32Array(1), drawn, used: new Uint32Array(1) },
    attrs: { V: logits.length, rows: 1 },
  });
  return drawn[0];
}

const REFUSED: [Partial<SamplingOptions>, string][] = [
  [{ topK: -1 }, "--top-k -1: expected a whole number of 0 or more"],
  [{ topK: 2.5 }, "--top-k 2.5: expected a whole number of 0 or more"],
  [{ temperature: -0.1 }, "--temperature -0.1: expected 0 or more"],
  [{ temperature: NaN }, "--temperature NaN: expected 0 or more"],
  [{ temperature: Infinity }, "--temperature Infinity: expected 0 or more"],
  [
    { topK: 2 ** 53 },
    `--top-k ${2 ** 53}: expected a whole number of 0 or more`,
  ],
  [{ topP: NaN }, "--top-p NaN: expected above 0 and at most 1"],
  [
    { repetitionPenalty: Infinity },
    "--repetition-penalty Infinity: expected above 0",
  ],
  [{ topP: 0 }, "--top-p 0: expected above 0 and at most 1"],
  [{ topP: 1.1 }, "--top-p 1.1: expected above 0 and at most 1"],
  [{ repetitionPenalty: 0 }, "--repetition-penalty 0: expected above 0"],
];

for (const [change, message] of REFUSED) {
  Deno.test(`checkSampling() refuses ${JSON.stringify(change)}`, () => {
    assert.throws(() => checkSampling({ ...PLAIN, ...change }), (error) => {
      assert.ok(error instanceof UserError);
      assert.equal(error.message, `Cannot use ${message}`);
      assert.equal(error.exitCode, 2);
      return true;
    });
  });
}

/** {@linkcode candidates}, plain unless said otherwise. */
function allow(
  logits: Float32Array,
  change: Partial<SamplingOptions> = {},
  history: number[] = [],
): Candidates {
  const { repetitionPenalty: penalty, ...rest } = { ...PLAIN, ...change };
  const isUsed = (id: number) => history.includes(id);
  return candidates(logits, { ...rest, penalty, isUsed });
}

function assertProbs(actual: readonly number[], expected: number[]): void {
  assert.equal(actual.length, expected.length);
  for (const [i, p] of expected.entries()) {
    assert.ok(
      Math.abs(actual[i] - p) < 1e-6,
      `${actual}, expected ${expected}`,
    );
  }
}
