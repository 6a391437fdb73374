/**
 * gradients() as a whole: composed nets, reuse, accumulation, and what it
 * leaves out. The rules of single ops are in backward_rules_test.ts.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { TensorData } from "../../src/backend/backend.ts";
import { gradients } from "../../src/graph/gradients.ts";
import { Graph } from "../../src/graph/graph.ts";
import type { Tensor } from "../../src/graph/tensor.ts";
import { POSITIONS, tinyGpt, tinyGptStep, TOKENS, V } from "./_tiny_gpt.ts";
import {
  assertClose,
  checkGradients,
  compile,
  gradientTargets,
  paramsOf,
  randomData,
  randomIds,
} from "./_helpers.ts";

Deno.test("gradients() of a small GPT with a tied head agree with differences", async () => {
  await checkGradients(tinyGpt, POSITIONS);
});

Deno.test("gradients() adds up all uses of a tensor", async () => {
  // a is used by three ops and twice by one; the result flows back to one x.
  await checkGradients((g) => {
    const x = g.param("x", [3, 4]);
    const a = g.gelu(x, { tanh: false });
    const b = g.add(a, a);
    const c = g.matmul(a, g.param("w", [4, 4]), { addTo: b });
    const d = g.add(c, g.gelu(a, { tanh: true }));
    const targets = g.input("targets", [3], "u32");
    const { rowLoss } = g.crossEntropy(g.add(d, x), targets);
    return g.meanLoss(rowLoss, targets, { scale: 1 });
  });
});

Deno.test("gradients() accumulates two micro-steps to the sum of both", async () => {
  const alone = tinyGptStep({ accumulate: false });
  const added = tinyGptStep({ accumulate: true });
  const executable = await compile({ alone, added }, {
    ...randomData(alone),
    ...POSITIONS,
  });
  const batches = [1, 2].map((seed) => randomIds(TOKENS, { below: V, seed }));
  const names = paramsOf(alone).map(({ name }) => `d.${name}`);
  const readAll = () => Promise.all(names.map((n) => executable.read(n)));

  const single: TensorData[][] = [];
  for (const ids of batches) {
    executable.write("ids", ids);
    await executable.run("alone");
    single.push(await readAll());
  }
  for (const [microStep, ids] of batches.entries()) {
    executable.write("ids", ids);
    await executable.run(microStep === 0 ? "alone" : "added");
  }
  const both = await readAll();
  names.forEach((name, i) => {
    const sum = single[0][i].map((d, at) => d + single[1][i][at]);
    assert.ok(sum.some((d) => d !== 0), name);
    // The f32 roundings of the two sums come in another order.
    assertClose(both[i], sum, { atol: 1e-6, rtol: 1e-6, what: name });
  });
});

Deno.test("gradients() multiplies all by the seed", async () => {
  const one = tinyGptStep({ accumulate: false });
  const eight = tinyGptStep({ accumulate: false, seed: 8 });
  const executable = await compile({ one, eight }, {
    ...randomData(one),
    ...POSITIONS,
  });
  await executable.run("one");
  const want = (await executable.read("d.wte")).map((d) => 8 * d);
  await executable.run("eight");
  // A power of two changes no rounding.
  assert.deepEqual(await executable.read("d.wte"), want);
});

Deno.test("gradients() ends a residual block with the norm, adding to the stream", () => {
  const g = new Graph();
  const stream = g.matmul(g.input("x", [3, 2], "f32"), g.param("in", [2, 4]));
  const { out } = g.layerNorm(stream, g.param("ln", [4]), null, 1e-5);
  const sum = g.matmul(out, g.param("w", [4, 4]), { addTo: stream });
  const loss = lossOf(g, sum);
  const before = g.calls.length;
  gradients(g, loss, { into: gradientTargets(g, paramsOf(g)) });

  const backward = g.calls.slice(before);
  const ops = backward.map(({ op }) => op).join(" ");
  assert.equal(
    ops,
    "fill meanLossBackward crossEntropyBackward matmul matmul " +
      "normWeightBackward layerNormBackward matmul",
  );
  const [entropy, norm] = [backward[2], backward[6]];
  assert.ok(entropy.op === "crossEntropyBackward");
  assert.ok(norm.op === "layerNormBackward");
  // The stream's gradient is the one that came from above, not a copy.
  assert.equal(norm.in.addTo, entropy.out.out);
});

Deno.test("gradients() records nothing that no parameter needs", () => {
  const g = new Graph();
  const x = g.input("x", [3, 4], "f32");
  const hidden = g.gelu(g.matmul(x, g.param("frozen", [4, 4])), { tanh: true });
  const w = g.param("w", [4, 4]);
  const unused = g.rmsNorm(hidden, g.param("unusedWeight", [4]), 1e-5).out;
  const loss = lossOf(g, g.matmul(hidden, w, { addTo: hidden }));
  g.gelu(unused, { tanh: true });
  const before = g.calls.length;
  gradients(g, loss, { into: gradientTargets(g, [w]) });
  assert.deepEqual(
    g.calls.slice(before).map(({ op }) => op),
    ["fill", "meanLossBackward", "crossEntropyBackward", "matmul"],
  );
});

Deno.test("gradients() writes to the target when a parameter is added directly", async () => {
  const build = (accumulate: boolean) => {
    const g = new Graph();
    const x = g.param("x", [2, 3]);
    const loss = lossOf(g, g.add(x, x));
    gradients(g, loss, { into: gradientTargets(g, [x], accumulate) });
    return g;
  };
  const executable = await compile({ set: build(false), add: build(true) }, {
    x: new Float32Array(6),
    targets: Uint32Array.of(0, 0),
  });
  executable.write("d.x", new Float32Array(6).fill(100));
  await executable.run("set");
  // Mean of two rows, each used twice: (softmax - onehot) with softmax 1/3.
  const want = [-2 / 3, 1 / 3, 1 / 3, -2 / 3, 1 / 3, 1 / 3];
  assertClose(await executable.read("d.x"), want, { atol: 1e-6 });
  await executable.run("add");
  const twice = want.map((d) => 2 * d);
  assertClose(await executable.read("d.x"), twice, { atol: 1e-6 });
});

Deno.test("gradients() goes through a loss kept across micro-steps", async () => {
  const g = new Graph();
  const x = g.param("x", [1, 2]);
  const targets = g.input("targets", [1], "u32");
  const total = g.output("total", [1]);
  const { rowLoss } = g.crossEntropy(x, targets);
  g.meanLoss(rowLoss, targets, { scale: 0.5, addTo: total, out: total });
  gradients(g, total, { into: gradientTargets(g, [x]) });
  const executable = await compile({ g }, { targets: Uint32Array.of(1) });
  executable.write("total", Float32Array.of(10));
  await executable.run("g");
  assertClose(await executable.read("total"), [10 + 0.5 * Math.LN2], {
    rtol: 1e-6,
  });
  assertClose(await executable.read("d.x"), [0.25, -0.25], { atol: 1e-7 });
});

const WRONG: Record<string, [message: RegExp, build: (g: Graph) => void]> = {
  "a loss without parameters": [/does not depend on param "w"/, (g) => {
    const w = g.param("w", [3, 4]);
    const loss = lossOf(g, g.input("x", [3, 4], "f32"));
    gradients(g, loss, { into: gradientTargets(g, [w]) });
  }],
  "one parameter that is not reached": [/depend on param "late" f32/, (g) => {
    const loss = lossOf(g, g.param("x", [3, 4]));
    g.gelu(g.param("late", [2]), { tanh: true });
    gradients(g, loss, { into: gradientTargets(g, paramsOf(g)) });
  }],
  "a loss of many elements": [/a loss has one element/, (g) => {
    const x = g.param("x", [3, 4]);
    gradients(g, g.gelu(x, { tanh: true }), {
      into: gradientTargets(g, [x]),
    });
  }],
  "a target of another shape": [/does not fit state "d"/, (g) => {
    const x = g.param("x", [3, 4]);
    const into = new Map([
      [x, { out: g.state("d", [4, 3]), accumulate: false }],
    ]);
    gradients(g, lossOf(g, x), { into });
  }],
  "a target that does not outlive the step": [/does not fit temp/, (g) => {
    const x = g.param("x", [3, 4]);
    const into = new Map([[x, { out: g.temp([3, 4]), accumulate: false }]]);
    gradients(g, lossOf(g, x), { into });
  }],
  "a target of another type": [/does not fit input "d" u32/, (g) => {
    const x = g.param("x", [3, 4]);
    const out = g.input("d", [3, 4], "u32");
    const into = new Map([[x, { out, accumulate: false }]]);
    gradients(g, lossOf(g, x), { into });
  }],
  "a parameter that the graph updates": [/adamw of this graph changes/, (g) => {
    const x = g.param("x", [3, 4]);
    const loss = lossOf(g, x);
    const [m, v, grad] = ["m", "v", "d"].map((n) => g.state(n, [3, 4]));
    g.adamw({
      ...{ param: x, grad, m, v },
      scale: g.state("scale", [1]),
      hyper: g.input("hyper", [3], "f32"),
    }, { beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 0 });
    gradients(g, loss, { into: gradientTargets(g, [x]) });
  }],
  "a persistent tensor with two values": [/is written by 2 calls/, (g) => {
    const x = g.param("x", [4, 4]), kept = g.state("kept", [4, 4]);
    g.matmul(x, x, { out: kept });
    g.matmul(x, x, { out: kept });
    gradients(g, lossOf(g, kept), { into: gradientTargets(g, [x]) });
  }],
  "a loss through a norm's rstd": [/does not depend on temp .*kept/, (g) => {
    const x = g.param("x", [3, 4]);
    const { rstd } = g.rmsNorm(x, g.param("w", [4]), 1e-5);
    const targets = g.input("targets", [3], "u32");
    const loss = g.meanLoss(rstd, targets, { scale: 1 });
    gradients(g, loss, { into: gradientTargets(g, [x]) });
  }],
  "a loss through a norm's result and its rstd": [/no backward rule/, (g) => {
    const x = g.param("x", [3, 4]);
    const { out, rstd } = g.rmsNorm(x, g.param("w", [4]), 1e-5);
    const targets = g.input("targets", [3], "u32");
    const addTo = g.meanLoss(rstd, targets, { scale: 1 });
    const { rowLoss } = g.crossEntropy(out, targets);
    const loss = g.meanLoss(rowLoss, targets, { scale: 1, addTo });
    gradients(g, loss, { into: gradientTargets(g, [x]) });
  }],
};

for (const [what, [message, build]] of Object.entries(WRONG)) {
  Deno.test(`gradients() throws a TypeError for ${what}`, () => {
    assert.throws(() => build(new Graph()), (error: Error) => {
      assert.ok(error instanceof TypeError, String(error));
      assert.match(error.message, message);
      return true;
    });
  });
}

/** Mean cross entropy of the rows of x. */
function lossOf(g: Graph, x: Tensor): Tensor {
  const targets = g.input("targets", [x.shape[0]], "u32");
  const { rowLoss } = g.crossEntropy(x, targets);
  return g.meanLoss(rowLoss, targets, { scale: 1 });
}
