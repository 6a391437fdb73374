/**
 * Below the language models: a net of two layers that learns which points lie
 * inside a circle, written with ops and run on any device.
 *
 *     deno run -A examples/tiny_mlp.ts [DEVICE] [STEPS]
 *
 * A graph records ops and is planned once; running it computes nothing but
 * numbers. `forward` learns by gradients, `update` is one step of AdamW, and
 * both work on the same parameters, as they have the same names.
 */

import { openBackend } from "../mod.ts";
import { gradients, Graph, plan, type Tensor } from "../src/graph/mod.ts";

const [device = "cpu", steps = "300"] = Deno.args;
const POINTS = 256, HIDDEN = 16, CLASSES = 2;
const SHAPES = {
  w1: [2, HIDDEN],
  b1: [HIDDEN],
  w2: [HIDDEN, CLASSES],
  b2: [CLASSES],
};

// 1. The loss, and the gradient of each parameter.
const forward = new Graph();
const targets = forward.input("targets", [POINTS], "u32");
const params = Object.entries(SHAPES)
  .map(([name, shape]) => forward.param(name, shape));
const [w1, b1, w2, b2] = params;
const points = forward.input("points", [POINTS, 2], "f32");
const hidden = forward.gelu(
  forward.matmul(points, w1, { bias: b1 }),
  { tanh: true },
);
const logits = forward.matmul(hidden, w2, { bias: b2 });
const { rowLoss } = forward.crossEntropy(logits, targets);
const loss = forward.meanLoss(rowLoss, targets, {
  scale: 1,
  out: forward.output("loss", [1]),
});
const into = new Map<Tensor, { out: Tensor; accumulate: boolean }>();
for (const param of params) {
  const out = forward.state(`d.${param.name}`, param.shape);
  into.set(param, { out, accumulate: false });
}
gradients(forward, loss, { into });

// 2. One step of AdamW.
const update = new Graph();
const scale = update.input("scale", [1], "f32");
const hyper = update.input("hyper", [3], "f32");
for (const [name, shape] of Object.entries(SHAPES)) {
  update.adamw({
    param: update.param(name, shape),
    grad: update.state(`d.${name}`, shape),
    m: update.state(`m.${name}`, shape),
    v: update.state(`v.${name}`, shape),
    ...{ scale, hyper },
  }, { beta1: 0.9, beta2: 0.99, eps: 1e-8, weightDecay: 0 });
}

// 3. A device, and the numbers to begin with: any that are not all alike.
const { backend } = await openBackend({ device });
const net = await backend.compile(plan({ forward, update }));
const spread = (i: number) => ((i * 0.6180339887) % 1) * 2 - 1; // -1 to 1
for (const name of ["w1", "w2"] as const) {
  const count = SHAPES[name][0] * SHAPES[name][1];
  net.write(name, Float32Array.from({ length: count }, (_, i) => spread(i)));
}
const data = Float32Array.from(
  { length: 2 * POINTS },
  (_, i) => spread(i % 2 === 0 ? i : i * i),
);
const isInside = Uint32Array.from(
  { length: POINTS },
  (_, i) => Math.hypot(data[2 * i], data[2 * i + 1]) < 0.7 ? 1 : 0,
);
net.write("points", data);
net.write("targets", isInside);
net.write("scale", Float32Array.of(1));

// 4. Learning.
for (let step = 1; step <= Number(steps); step++) {
  await net.run("forward");
  if (step === 1 || step % 100 === 0) {
    const [value] = await net.read("loss");
    console.log(`step ${step}: loss ${value.toFixed(4)}`);
  }
  const corrections = [0.9, 0.99].map((beta) => 1 - beta ** step);
  net.write("hyper", Float32Array.of(0.02, ...corrections));
  await net.run("update");
}
await net.dispose();
await backend.dispose();
