/**
 * The reference kernels against values computed by hand, and what their
 * executor promises. Their backward kernels are also checked by central
 * differences, in tests/graph/backward_rules_test.ts.
 *
 * @module
 */

import assert from "node:assert/strict";
import { erf } from "../../src/backend/reference/activations.ts";
import {
  openReferenceBackend,
  referenceKernels,
} from "../../src/backend/reference/backend.ts";
import { dropoutFactors } from "../../src/backend/reference/dropout.ts";
import { philox } from "../../src/base/philox.ts";
import { Graph } from "../../src/graph/graph.ts";
import { plan } from "../../src/graph/plan.ts";
import { assertClose, compile, randn } from "../graph/_helpers.ts";
import { handValues } from "./_hand_values.ts";
import { assertOpClose, opCases, runOpCase } from "./_op_cases.ts";
import type { OpCase } from "./_run_op_case.ts";

handValues.forEach(({ opCase, want }, i) => {
  Deno.test(`${opCase.op}() returns hand-computed values (${i})`, async () => {
    const got = await runOpCase(openReferenceBackend(), opCase);
    for (const [name, values] of Object.entries(want)) {
      assertOpClose(opCase, { [name]: got[name] }, {
        [name]: Float32Array.from(values),
      });
    }
  });
});

Deno.test("every op has hand-computed values and a case at odd shapes", () => {
  const ops = Object.keys(referenceKernels).sort();
  const opsOf = (cases: readonly OpCase[]) =>
    [...new Set<string>(cases.map(({ op }) => op))].sort();
  assert.deepEqual(opsOf(handValues.map(({ opCase }) => opCase)), ops);
  assert.deepEqual(opsOf(opCases), ops);
  assert.equal(new Set(opCases.map(({ name }) => name)).size, opCases.length);
});

Deno.test("every op gives the same bits in place of an input", async () => {
  const backend = openReferenceBackend();
  let pairs = 0;
  for (const opCase of opCases) {
    const results = await runOpCase(backend, opCase);
    for (const [name, got] of Object.entries(results)) {
      const [output, input] = name.split(" in place of ");
      if (!input) continue;
      const exact = { ...opCase, tolerance: 0 };
      assertOpClose(exact, { [name]: got }, { [name]: results[output] });
      pairs++;
    }
  }
  assert.ok(pairs > 100, `only ${pairs} cases ran in place`);
});

Deno.test("erf() agrees with tabulated values to 1e-15", () => {
  // Abramowitz & Stegun 1964, table 7.1, and Python's math.erf.
  const table = [
    [0, 0],
    [0.001, 0.0011283787909692365],
    [0.5, 0.5204998778130465],
    [1, 0.8427007929497149],
    [-1.25, -0.9229001282564582],
    [3, 0.9999779095030014],
    [4.5, 0.9999999998033839],
    [7, 1],
    [-Infinity, -1],
  ];
  for (const [x, want] of table) assertClose([erf(x)], [want], { atol: 1e-15 });
  assert.ok(Number.isNaN(erf(NaN)));
});

Deno.test("dropout() keeps element i by word i%4 of block i/4", async () => {
  const rng = Uint32Array.of(1, 2, 3, 4), p = 0.3, n = 10_003, site = 7;
  const g = new Graph();
  const x = g.input("x", [n], "f32");
  const kept = g.dropout(x, { p, site, rng: g.input("rng", [4], "u32") });
  g.add(kept, g.fill([n], 0), { out: g.output("kept", [n]) });
  const ones = new Float32Array(n).fill(1);
  const executable = await compile({ g }, { x: ones, rng });
  await executable.run("g");
  const got = await executable.read("kept");

  for (const i of [0, 1, 2, 3, 4, 4097, n - 1]) {
    const word = philox([i >>> 2, site, 3, 4], [1, 2])[i & 3];
    const want = word >= p * 2 ** 32 ? Math.fround(1 / (1 - p)) : 0;
    assert.equal(got[i], want, `element ${i}`);
  }
  // The share that is kept: 0.7 within four deviations of 10,003 draws.
  const share = got.filter((value) => value > 0).length / n;
  assertClose([share], [1 - p], { atol: 4 * Math.sqrt(0.3 * 0.7 / n) });
});

Deno.test("attention() drops probability ((b*H + h)*T + i)*T + j", async () => {
  const [B, T, H, Hkv, D] = [2, 3, 2, 1, 1];
  const p = 0.5, site = 9, rng = Uint32Array.of(5, 0, 1, 0);
  const g = new Graph();
  const { out } = g.attention(g.input("qkv", [B * T, 4], "f32"), {
    ...{ B, T, H, Hkv, D },
    dropout: { p, site, rng: g.input("rng", [4], "u32") },
  });
  g.add(out, g.fill(out.shape, 0), { out: g.output("out", out.shape) });
  // Scores are all 0, so row i averages values 0 … i; value j is 10^j.
  const qkv = new Float32Array(B * T * 4);
  for (let row = 0; row < B * T; row++) qkv[row * 4 + 3] = 10 ** (row % T);
  const executable = await compile({ g }, { qkv, rng });
  await executable.run("g");
  const got = await executable.read("out");

  const factor = dropoutFactors(rng, { p, site });
  for (let b = 0; b < B; b++) {
    for (let i = 0; i < T; i++) {
      for (let h = 0; h < H; h++) {
        let want = 0;
        for (let j = 0; j <= i; j++) {
          want += factor(((b * H + h) * T + i) * T + j) * 10 ** j / (i + 1);
        }
        const at = (b * T + i) * H + h;
        assertClose([got[at]], [want], { rtol: 1e-6, what: `${b} ${i} ${h}` });
      }
    }
  }
});

Deno.test("attentionCached() row by row equals attention() at once", async () => {
  const [T, H, Hkv, D] = [7, 4, 2, 3];
  const width = (H + 2 * Hkv) * D;
  const whole = new Graph(), step = new Graph();
  const { out } = whole.attention(whole.input("all", [T, width], "f32"), {
    ...{ B: 1, T, H, Hkv, D },
  });
  whole.add(out, whole.fill(out.shape, 0), {
    out: whole.output("out", out.shape),
  });
  const row = step.attentionCached(step.input("row", [1, width], "f32"), {
    kCache: step.state("kCache", [T, Hkv * D]),
    vCache: step.state("vCache", [T, Hkv * D]),
    position: step.input("position", [1], "u32"),
    ...{ T: 1, S: T, H, Hkv, D },
  });
  step.add(row, step.fill(row.shape, 0), {
    out: step.output("rowOut", row.shape),
  });
  const all = randn(T * width, { seed: 1 });
  const executable = await compile({ whole, step }, { all });
  await executable.run("whole");
  const want = await executable.read("out");
  for (let t = 0; t < T; t++) {
    executable.write("row", all.slice(t * width, (t + 1) * width));
    executable.write("position", Uint32Array.of(t));
    await executable.run("step");
    const got = await executable.read("rowOut");
    assertClose(got, want.slice(t * H * D, (t + 1) * H * D), {});
  }
});

Deno.test("the executor refuses unknown names and wrong data", async () => {
  const g = new Graph();
  g.add(g.input("x", [2], "f32"), g.fill([2], 1), { out: g.output("y", [2]) });
  const executable = await openReferenceBackend().compile(plan({ g }));
  await assert.rejects(executable.run("h"), /no such phase/);
  await assert.rejects(executable.read("z"), /Cannot find tensor "z"/);
  assert.throws(() => executable.write("z", new Float32Array(2)), TypeError);
  assert.throws(() => executable.write("x", new Float32Array(3)), TypeError);
  assert.throws(() => executable.write("x", new Uint32Array(2)), TypeError);
});

Deno.test("read() gives a copy that later runs leave alone", async () => {
  const g = new Graph();
  g.add(g.input("x", [1], "f32"), g.fill([1], 1), { out: g.output("y", [1]) });
  const executable = await compile({ g }, { x: Float32Array.of(1) });
  await executable.run("g");
  const first = await executable.read("y");
  executable.write("x", Float32Array.of(5));
  await executable.run("g");
  assert.deepEqual([first[0], (await executable.read("y"))[0]], [2, 6]);
});

Deno.test("embedding() and crossEntropy() refuse ids beyond the table", async () => {
  const g = new Graph(), h = new Graph();
  g.embedding(g.param("wte", [3, 2]), g.input("ids", [1], "u32"));
  h.crossEntropy(h.param("logits", [1, 3]), h.input("ids", [1], "u32"));
  const executable = await compile({ g, h }, { ids: Uint32Array.of(3) });
  await assert.rejects(executable.run("g"), RangeError);
  await assert.rejects(executable.run("h"), RangeError);
});
