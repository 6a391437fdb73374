import assert from "node:assert/strict";
import { UserError } from "../../src/base/errors.ts";
import type { NamedTensor } from "../../src/base/safetensors.ts";
import {
  eachFromHuggingFace,
  huggingFaceTensors,
} from "../../src/model/huggingface.ts";
import type { ModelConfig } from "../../src/model/model_config.ts";
import { parameters } from "../../src/model/parameters.ts";
import { fromHuggingFace, toHuggingFace } from "./_huggingface.ts";
import { hashedWeights, loadOracle, ORACLE_CASES } from "./_oracle.ts";

for (const name of ORACLE_CASES) {
  const { config, shapes } = loadOracle(name);

  Deno.test(`huggingFaceTensors() has transformers' names and shapes: ${name}`, () => {
    const ours = huggingFaceTensors(config)
      .filter(({ param }) => param !== null) // not trained, so not in the oracle
      .map(({ name, shape }) => [name, shape]);
    assert.deepEqual(Object.fromEntries(ours), shapes);
  });

  Deno.test(`eachFromHuggingFace() gives what there is, in our order: ${name}`, async () => {
    const tensors = hashedWeights(config);
    const params = await paramsFrom(config, tensors.toReversed());
    assert.deepEqual([...params.keys()], parameters(config).map((p) => p.name));
    const back = toHuggingFace(config, (name) => params.get(name)!);
    assert.deepEqual(back, tensors);
  });

  Deno.test(`eachFromHuggingFace() reads one parameter at a time: ${name}`, async () => {
    const tensors = hashedWeights(config);
    let reads = 0;
    const deferred = tensors.map(({ name, shape, data }) => ({
      name,
      shape,
      read: () => (reads++, Promise.resolve(data.slice())),
    }));
    const params = fromHuggingFace(config, tensors);
    let first = true;
    for await (const [name, values] of eachFromHuggingFace(config, deferred)) {
      assert.deepEqual(values, params.get(name), name);
      params.delete(name);
      if (first) assert.ok(reads < tensors.length);
      first = false;
    }
    assert.equal(params.size, 0);
    assert.equal(reads, tensors.length);
  });
}

Deno.test("eachFromHuggingFace() stacks query, key and value by rows", async () => {
  const { config } = loadOracle("llama_tied"); // H 3, Hkv 1, D 6, C 18
  const tensors = hashedWeights(config);
  const params = await paramsFrom(config, tensors);
  const qkv = params.get("h.0.attn.qkv.weight")!;
  const at = (name: string) => tensors.find((t) => t.name.endsWith(name))!.data;
  assert.deepEqual(qkv.slice(0, 18 * 18), at("q_proj.weight"));
  assert.deepEqual(qkv.slice(18 * 18, 24 * 18), at("k_proj.weight"));
  assert.deepEqual(qkv.slice(24 * 18), at("v_proj.weight"));
});

Deno.test("huggingFaceTensors() has biases that our gpt2 may lack", () => {
  const { config } = loadOracle("gpt2_exact");
  const bias = huggingFaceTensors(config)
    .find(({ name }) => name === "transformer.h.0.attn.c_attn.bias")!;
  assert.deepEqual(bias.shape, [54]);
  assert.equal(bias.param, null);
});

Deno.test("eachFromHuggingFace() takes OpenAI's names and old buffers", async () => {
  const { config } = loadOracle("gpt2");
  const tensors = hashedWeights(config);
  const old = tensors.map(({ name, ...tensor }) => ({
    ...tensor,
    name: name.replace(/^transformer\./, ""),
  }));
  old.push(
    // The causal mask that GPT-2's first files carry, and a tied head.
    { name: "h.0.attn.bias", shape: [1, 1, 1, 1], data: new Float32Array(1) },
    { ...find(tensors, "transformer.wte.weight"), name: "lm_head.weight" },
  );
  assert.deepEqual(
    await paramsFrom(config, old),
    await paramsFrom(config, tensors),
  );
});

const WRONG: [string, (tensors: NamedTensor[]) => NamedTensor[], string][] = [
  [
    "a tensor is missing",
    (tensors) => tensors.filter((t) => !t.name.endsWith("ln_f.bias")),
    'tensor "transformer.ln_f.bias" is missing',
  ],
  [
    "a tensor has another shape",
    (tensors) =>
      tensors.map((t) =>
        t.name.endsWith("wpe.weight") ? { ...t, shape: [32, 12] } : t
      ),
    'tensor "transformer.wpe.weight" has shape (32, 12), expected (12, 32)',
  ],
  [
    "there is a tensor too many",
    (tensors) => [
      ...tensors,
      {
        name: "transformer.h.2.ln_1.bias",
        shape: [0],
        data: new Float32Array(),
      },
    ],
    'tensor "transformer.h.2.ln_1.bias" has no place in a gpt2 model',
  ],
];

for (const [when, change, what] of WRONG) {
  Deno.test(`eachFromHuggingFace() refuses when ${when}`, async () => {
    const { config } = loadOracle("gpt2");
    const tensors = change(hashedWeights(config));
    await assertRefused(config, tensors, what);
  });
}

Deno.test("eachFromHuggingFace() refuses biases for a model without", async () => {
  const { config } = loadOracle("gpt2_exact");
  const tensors = hashedWeights(config);
  find(tensors, "transformer.h.0.ln_1.bias").data[3] = 0.5;
  await assertRefused(
    config,
    tensors,
    'tensor "transformer.h.0.ln_1.bias" is not 0, and the model has no biases',
  );
});

function find(tensors: NamedTensor[], name: string): NamedTensor {
  return tensors.find((tensor) => tensor.name === name)!;
}

/** Copies, as values last until the next ones. */
async function paramsFrom(
  config: ModelConfig,
  tensors: readonly NamedTensor[],
): Promise<Map<string, Float32Array>> {
  const params = new Map<string, Float32Array>();
  for await (const [name, values] of eachFromHuggingFace(config, tensors)) {
    params.set(name, values.slice());
  }
  return params;
}

async function assertRefused(
  config: ModelConfig,
  tensors: NamedTensor[],
  what: string,
): Promise<void> {
  await assert.rejects(paramsFrom(config, tensors), (error) => {
    assert.ok(error instanceof UserError);
    assert.equal(error.message, `Cannot load the model: ${what}`);
    return true;
  });
}
