import assert from "node:assert/strict";
import { eachParam } from "../../src/model/init.ts";
import { parameters } from "../../src/model/parameters.ts";
import { loadOracle } from "./_oracle.ts";

const { config } = loadOracle("gpt2");

Deno.test("eachParam() gives the same numbers for the same seed only", () => {
  const a = new Map(eachParam(config, 7)), b = new Map(eachParam(config, 7));
  assert.deepEqual(a, b);
  const other = new Map(eachParam(config, 8));
  assert.notDeepEqual(a.get("wte"), other.get("wte"));
  // No two parameters repeat each other's numbers.
  assert.notDeepEqual(
    a.get("h.0.attn.qkv.weight"),
    a.get("h.1.attn.qkv.weight"),
  );
});

Deno.test("eachParam() keeps a tensor's numbers when another grows", () => {
  const bigger = new Map(eachParam({ ...config, vocabSize: 99 }, 7));
  assert.deepEqual(bigger.get("wpe"), new Map(eachParam(config, 7)).get("wpe"));
});

Deno.test("eachParam() draws N(0, 0.02), residual projections narrower", () => {
  const params = new Map(
    eachParam({ ...config, nLayer: 8, vocabSize: 1000 }, 1),
  );
  // 8 layers: 1/sqrt(2 * 8) = 1/4. Errors of these estimates, from 32000 and
  // 4096 numbers, are 0.4 % and 1.1 % (one sigma); 5 % is beyond chance.
  assertStd(params.get("wte")!, 0.02);
  assertStd(params.get("h.3.attn.qkv.weight")!, 0.02);
  assertStd(params.get("h.3.mlp.proj.weight")!, 0.02 / 4);
  assertStd(params.get("h.3.attn.proj.weight")!, 0.02 / 4, 0.1);
  assert.ok(params.get("h.3.ln1.weight")!.every((x) => x === 1));
  assert.ok(params.get("h.3.ln1.bias")!.every((x) => x === 0));
  assert.ok(params.get("h.3.mlp.fc.bias")!.every((x) => x === 0));
});

Deno.test("parameters() decays matrices and embeddings only", () => {
  for (const name of ["gpt2", "llama"]) {
    for (const spec of parameters(loadOracle(name).config)) {
      assert.equal(spec.decay, spec.shape.length === 2, spec.name);
    }
  }
});

Deno.test("parameters() of gpt2 without biases has none", () => {
  const names = parameters({ ...config, bias: false }).map((p) => p.name);
  assert.deepEqual(names.filter((name) => name.endsWith("bias")), []);
  assert.ok(names.includes("h.0.ln1.weight"));
});

function assertStd(values: Float32Array, std: number, rtol = 0.05): void {
  const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
  const variance = values.reduce((sum, x) => sum + (x - mean) ** 2, 0) /
    values.length;
  assert.ok(Math.abs(mean) < rtol * std * 2, `mean ${mean}`);
  assert.ok(
    Math.abs(Math.sqrt(variance) / std - 1) < rtol,
    `standard deviation ${Math.sqrt(variance)}, expected ${std}`,
  );
}
