import assert from "node:assert/strict";
import type { Backend } from "../../src/backend/backend.ts";
import { Graph } from "../../src/graph/graph.ts";
import { buildLogits } from "../../src/model/model.ts";
import { buildStepProgram, gradient } from "../../src/train/step_program.ts";
import { loadOracle, oracleBatch } from "./_oracle.ts";
import {
  assertClose,
  BACKENDS,
  compileWith,
  forwardLogits,
  relativeError,
} from "./_programs.ts";

for (const [backendName, openBackend] of Object.entries(BACKENDS)) {
  for (const name of ["gpt2", "llama"]) {
    const oracle = loadOracle(name);
    const { vocabSize: V, seqLen } = oracle.config;

    Deno.test(`buildLogits() sees nothing of later tokens: ${name} on ${backendName}`, async () => {
      const backend = await openBackend();
      const { ids } = oracleBatch(oracle, 0);
      const prefix = ids.slice(0, 5);
      const short = await forwardLogits(backend, {
        ...oracle,
        ids: prefix,
        B: 1,
      });
      const row = ids.slice(0, seqLen);
      const long = await forwardLogits(backend, { ...oracle, ids: row, B: 1 });
      assertClose(short, long.slice(0, 5 * V), {
        rtol: 1e-6, // other sizes, other order of the f32 sums
        what: "logits of a prefix",
      });
      await backend.dispose();
    });

    Deno.test(`buildLogits() drops only with rng: ${name} on ${backendName}`, async () => {
      const backend = await openBackend();
      const config = { ...oracle.config, dropout: 0.3 };
      const { ids } = oracleBatch(oracle, 0);
      const logits = (backend: Backend, rng?: Uint32Array) =>
        forwardLogits(backend, { ...oracle, config, ids, rng });
      const plain = await logits(backend);
      assertClose(plain, oracle.logits, { rtol: 1e-5, what: "without rng" });

      const first = await logits(backend, Uint32Array.of(1, 0, 0, 0));
      const again = await logits(backend, Uint32Array.of(1, 0, 0, 0));
      const next = await logits(backend, Uint32Array.of(1, 0, 1, 0));
      assert.deepEqual(again, first);
      assert.ok(relativeError(first, plain) > 0.01);
      assert.ok(relativeError(next, first) > 0.01);
      const reference = await BACKENDS.reference();
      assertClose(first, await logits(reference, Uint32Array.of(1, 0, 0, 0)), {
        rtol: 1e-5, // the same masks, so the same logits
        what: "with rng",
      });
      await backend.dispose();
    });

    Deno.test(`gradients() with dropout agree with differences: ${name} on ${backendName}`, async () => {
      const backend = await openBackend();
      const config = { ...oracle.config, dropout: 0.3 };
      const executable = await compileWith(
        backend,
        buildStepProgram(config, {
          ...oracle.train,
          batchSize: oracle.B,
          gradAccumSteps: 1,
        }),
        oracle.weights,
      );
      const { ids, targets } = oracleBatch(oracle, 0);
      executable.write("ids", ids);
      executable.write("targets", targets);
      executable.write("positions", ids.map((_, r) => r % seqLen));
      executable.write("rng", Uint32Array.of(1, 0, 0, 0));
      const lossAt = async (weights: ReadonlyMap<string, Float32Array>) => {
        for (const [param, x] of weights) executable.write(param, x);
        await executable.run("firstMicroStep");
        return (await executable.read("loss"))[0];
      };

      // Along the gradient the loss changes by the gradient's norm.
      await lossAt(oracle.weights);
      const grads = new Map<string, Float32Array>();
      let sumSquares = 0;
      for (const param of oracle.weights.keys()) {
        const grad = await executable.read(gradient(param)) as Float32Array;
        for (const g of grad) sumSquares += g * g;
        grads.set(param, grad);
      }
      const norm = Math.sqrt(sumSquares);
      const moved = (distance: number) =>
        new Map(
          [...oracle.weights].map(([param, x]) => [
            param,
            x.map((v, i) => v + distance * grads.get(param)![i] / norm),
          ]),
        );
      const h = 3e-3;
      const slope = (await lossAt(moved(h)) - await lossAt(moved(-h))) /
        (2 * h);
      // f32 noise of the loss, 3e-7 / 2h, and h^2 times the third derivative.
      assertClose([norm], [slope], { rtol: 1e-3, what: "slope" });
      await backend.dispose();
    });
  }
}

Deno.test("buildLogits() gives every dropout a site of its own", () => {
  for (const name of ["gpt2", "llama"]) {
    const config = { ...loadOracle(name).config, dropout: 0.1 };
    const g = new Graph();
    const rng = g.input("rng", [4], "u32");
    buildLogits(g, config, { B: 1, T: 3, rng });
    const sites = g.calls.filter((call) =>
      call.op === "dropout" || call.op === "attention"
    ).map((call) => call.attrs.site);
    // The embedding, and attention, its branch and the MLP of both layers.
    assert.deepEqual(sites, [0, 1, 2, 3, 4, 5, 6]);
  }
});

Deno.test("buildLogits() without dropout adds branches in one product", () => {
  const { config } = loadOracle("gpt2");
  const g = new Graph();
  buildLogits(g, config, { B: 1, T: 3, rng: g.input("rng", [4], "u32") });
  const ops = g.calls.map((call) => call.op);
  assert.equal(ops.filter((op) => op === "dropout" || op === "add").length, 0);
  assert.equal(
    g.calls.filter((call) => call.op === "matmul" && call.in.addTo).length,
    4, // two per layer
  );
});

Deno.test("buildLogits() refuses more tokens than the context", () => {
  const { config } = loadOracle("gpt2");
  assert.throws(
    () => buildLogits(new Graph(), config, { B: 1, T: 13 }),
    new RangeError("Cannot build for 13 tokens: the context has 12"),
  );
});
