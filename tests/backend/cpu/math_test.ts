/**
 * The polynomials of kernels/math.ts, and the native code that repeats them,
 * seen through the ops that use them.
 *
 * The bounds are what was measured, rounded up; both builds share them.
 */

import assert from "node:assert/strict";
import type { TensorData } from "../../../src/backend/backend.ts";
import { openCpuBackend } from "../../../src/backend/cpu/cpu_backend.ts";
import type { GemmChoice } from "../../../src/backend/cpu/kernels.ts";
import { Graph } from "../../../src/graph/graph.ts";
import { plan } from "../../../src/graph/plan.ts";
import type { Tensor } from "../../../src/graph/tensor.ts";

/** Runs one op on the CPU; `record` writes to `g.state("out", …)`. */
async function evaluate(
  inputs: Record<string, TensorData>,
  record: (g: Graph, input: (name: string) => Tensor) => void,
  gemm: GemmChoice = "auto",
): Promise<Float32Array> {
  const backend = await openCpuBackend({ threads: 1, gemm });
  const g = new Graph();
  record(g, (name) => {
    const data = inputs[name];
    const dtype = data instanceof Uint32Array ? "u32" : "f32";
    return g.input(name, [data.length], dtype);
  });
  const executable = await backend.compile(plan({ g }));
  for (const [name, data] of Object.entries(inputs)) {
    executable.write(name, data);
  }
  await executable.run("g");
  const out = await executable.read("out");
  await backend.dispose();
  return out as Float32Array;
}

/** `n` numbers evenly spaced from `low` to `high`, in f32. */
function range(low: number, high: number, n: number): Float32Array {
  return Float32Array.from(
    { length: n },
    (_, i) => low + (high - low) * i / (n - 1),
  );
}

/** The largest error in units of the last place of the true value. */
function worstUlp(
  got: Float32Array,
  x: Float32Array,
  truth: (x: number) => number,
): number {
  return Math.max(...got.map((value, i) => {
    const exact = truth(x[i]);
    const ulp = 2 ** (Math.floor(Math.log2(Math.abs(exact))) - 23);
    return Math.abs(value - exact) / Math.max(ulp, 2 ** -149);
  }));
}

/** exp, as `softmax` of the backward pass with lse 0 and no target hit. */
function exp(x: Float32Array, gemm?: GemmChoice): Promise<Float32Array> {
  const n = x.length;
  return evaluate({
    x,
    lse: Float32Array.of(0),
    targets: Uint32Array.of(n - 1),
    d: Float32Array.of(1),
  }, (g, input) => {
    const logits = g.input("x", [1, n], "f32");
    g.record("crossEntropyBackward", {
      in: {
        dRowLoss: input("d"),
        logits,
        targets: input("targets"),
        lse: input("lse"),
      },
      out: { out: g.state("out", [1, n]) },
      attrs: { rows: 1, V: n },
    });
  }, gemm);
}

Deno.test("exp is within 2 ulp from -87 to 88", async () => {
  const x = Float32Array.of(...range(-87.3, 88.3, 20_000), 0);
  const got = (await exp(x)).subarray(0, -1);
  assert.ok(worstUlp(got, x, Math.exp) < 2, `${worstUlp(got, x, Math.exp)}`);
});

// Native code does without the comparison that would make it 0.
for (const [gemm, below] of [["wasm", 0], ["auto", 2 ** -125]] as const) {
  Deno.test(`exp vanishes far below, is finite far above, and keeps NaN (${gemm})`, async () => {
    const x = Float32Array.of(-87.4, -1e9, -Infinity, 89, 1e9, NaN, 0, 0);
    const got = await exp(x, gemm);
    for (const value of got.subarray(0, 3)) {
      assert.ok(value >= 0 && value <= below, `${value}`);
    }
    assert.ok(got[3] > 2e38 && Number.isFinite(got[3]));
    assert.equal(got[4], got[3]);
    assert.ok(Number.isNaN(got[5]));
    assert.equal(got[6], 1);
  });
}

Deno.test("log is within 2 ulp, as the lse of a row of equal logits", async () => {
  const counts = [2, 3, 5, 7, 100, 1000, 4097, 50_257];
  for (const V of counts) {
    const [lse] = await evaluate(
      { targets: Uint32Array.of(0) },
      (g, input) => {
        const logits = g.state("logits", [1, V]);
        g.record("crossEntropy", {
          in: { logits, targets: input("targets") },
          out: { rowLoss: g.state("rowLoss", [1]), lse: g.state("out", [1]) },
          attrs: { rows: 1, V },
        });
      },
    );
    const got = Float32Array.of(lse), x = Float32Array.of(V);
    assert.ok(worstUlp(got, x, Math.log) < 2, `log(${V}) is ${lse}`);
  }
});

Deno.test("exact gelu is within 4e-7 of the error function", async () => {
  const x = range(-6, 6, 4001);
  const got = await evaluate({ x }, (g, input) => {
    const out = g.state("out", [x.length]);
    g.record("gelu", {
      in: { x: input("x") },
      out: { out },
      attrs: { n: x.length, tanh: 0 },
    });
  });
  got.forEach((value, i) => {
    const exact = x[i] * (1 + erf(x[i] / Math.SQRT2)) / 2;
    const error = Math.abs(value - exact) / Math.max(1, Math.abs(x[i]));
    assert.ok(error < 4e-7, `gelu(${x[i]}) is ${value}, off by ${error}`);
  });
});

Deno.test("gelu by tanh neither overflows nor gives NaN far out", async () => {
  const x = Float32Array.of(-1e30, -1e4, -100, 100, 1e4, 1e30);
  const got = await evaluate({ x }, (g, input) => {
    const out = g.state("out", [x.length]);
    g.record("gelu", {
      in: { x: input("x") },
      out: { out },
      attrs: { n: x.length, tanh: 1 },
    });
  });
  // sigmoid(-30) is 9e-14, so far below zero gelu is that small, not 0.
  got.forEach((value, i) => {
    const allowed = 1e-12 * Math.abs(x[i]);
    const exact = Math.max(0, x[i]);
    assert.ok(Math.abs(value - exact) <= allowed, `gelu(${x[i]}) = ${value}`);
  });
});

Deno.test("rope turns by the exact angle, to f32, up to position 10^6", async () => {
  const positions = Uint32Array.from(
    { length: 3000 },
    (_, i) => i < 2000 ? i : (i - 1999) * 997,
  );
  const rows = positions.length;
  // Each row is (1, 0), which becomes (cos, sin) of its position.
  const x = Float32Array.from({ length: 2 * rows }, (_, i) => 1 - i % 2);
  const got = await evaluate({ x, positions }, (g, input) => {
    g.record("rope", {
      in: { x: g.input("x", [rows, 2], "f32"), positions: input("positions") },
      out: { out: g.state("out", [rows, 2]) },
      attrs: { rows, width: 2, nRotated: 1, D: 2, theta: 10000, inverse: 0 },
    });
  });
  positions.forEach((angle, row) => {
    const [cos, sin] = got.subarray(2 * row, 2 * row + 2);
    assert.ok(Math.abs(cos - Math.cos(angle)) < 6e-8, `cos ${angle}: ${cos}`);
    assert.ok(Math.abs(sin - Math.sin(angle)) < 6e-8, `sin ${angle}: ${sin}`);
  });
});

/** By its series, in double precision: |x| < 5. */
function erf(x: number): number {
  let term = x, sum = x;
  for (let n = 1; Math.abs(term) > 1e-17; n++) {
    term *= -x * x / n;
    sum += term / (2 * n + 1);
  }
  return sum * 2 / Math.sqrt(Math.PI);
}
