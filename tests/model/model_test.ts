import assert from "node:assert/strict";
import { Graph } from "../../src/graph/graph.ts";
import { plan } from "../../src/graph/plan.ts";
import { buildLogits } from "../../src/model/model.ts";
import type { ModelConfig } from "../../src/model/model_config.ts";
import { loadOracle, oracleBatch } from "./_oracle.ts";
import {
  assertClose,
  BACKENDS,
  compileWith,
  forwardLogits,
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
      const plain = await forwardLogits(backend, { ...oracle, config, ids });
      assertClose(plain, oracle.logits, { rtol: 1e-5, what: "without rng" });

      const at = (microStep: number) =>
        dropped(config, Uint32Array.of(1, 0, microStep, 0));
      const first = await at(0);
      assert.deepEqual(await at(0), first); // same counters, same mask
      assert.notDeepEqual(await at(1), first);
      assert.notDeepEqual(first, plain);
      await backend.dispose();

      async function dropped(config: ModelConfig, counters: Uint32Array) {
        const g = new Graph();
        const rng = g.input("rng", [4], "u32");
        const B = oracle.B, T = seqLen;
        const logits = buildLogits(g, config, { B, T, rng });
        const out = g.output("logits", logits.shape);
        g.add(logits, g.fill(logits.shape, 0), { out });
        const program = plan({ forward: g });
        const executable = await compileWith(backend, program, oracle.weights);
        executable.write("ids", ids);
        executable.write("positions", ids.map((_, r) => r % T));
        executable.write("rng", counters);
        await executable.run("forward");
        return await executable.read("logits");
      }
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
