import assert from "node:assert/strict";
import { UserError } from "../../src/base/errors.ts";
import { configFromHf, hfConfig } from "../../src/model/huggingface_config.ts";
import { loadOracle, ORACLE_CASES } from "./_oracle.ts";

for (const name of ORACLE_CASES) {
  const { config, configJson } = loadOracle(name);

  Deno.test(`configFromHf() reads what transformers writes: ${name}`, () => {
    // Its GPT-2 always has biases.
    const bias = config.arch === "gpt2";
    assert.deepEqual(configFromHf(configJson), { ...config, bias });
  });

  Deno.test(`hfConfig() says what transformers says: ${name}`, () => {
    // Names of before transformers 5 beside the new ones, and our own.
    const { hearth, torch_dtype, rope_theta, ...json } = hfConfig(config);
    for (const [key, value] of Object.entries(json)) {
      // transformers adds these two when it saves a model.
      if (key === "architectures" || key === "dtype") continue;
      assert.deepEqual(value, configJson[key] ?? null, key);
    }
    assert.deepEqual(hearth, config);
    assert.equal(torch_dtype, "float32");
    assert.equal(
      rope_theta,
      config.arch === "llama" ? config.ropeTheta : undefined,
    );
  });

  Deno.test(`configFromHf() reads hfConfig() back exactly: ${name}`, () => {
    const full = { ...config, dropout: 0.1 };
    const json = JSON.parse(JSON.stringify(hfConfig(full, { endOfText: 3 })));
    assert.equal(json.eos_token_id, 3);
    assert.deepEqual(configFromHf(json), full);
  });
}

const gpt2 = loadOracle("gpt2").configJson;
const llama = loadOracle("llama").configJson;

Deno.test("configFromHf() reads the config.json of older transformers", () => {
  const { rope_parameters: _, ...older } = llama;
  const config = configFromHf({ ...older, rope_theta: 250000 });
  assert.equal(config.ropeTheta, 250000);
  // OpenAI's own file leaves out what is at its default.
  const { n_inner: _inner, tie_word_embeddings: _tied, ...openai } = gpt2;
  assert.deepEqual(configFromHf(openai), configFromHf(gpt2));
});

Deno.test("configFromHf() keeps heads that are wider than nEmbd / nHead", () => {
  assert.equal(configFromHf({ ...llama, head_dim: 16 }).headDim, 16);
});

Deno.test("configFromHf() takes rotary positions that are said to be plain", () => {
  assert.deepEqual(
    configFromHf({ ...llama, rope_scaling: { rope_type: "default" } }),
    configFromHf(llama),
  );
});

const REFUSED: [string, unknown, string][] = [
  ["not an object", [], "it is [], expected an object"],
  [
    "another kind of model",
    { model_type: "mistral" },
    'model_type is "mistral", expected gpt2 or llama',
  ],
  [
    "scaled rotary positions, old style",
    { ...llama, rope_scaling: { type: "linear", factor: 2 } },
    'rope_scaling is {"type":"linear","factor":2}, expected null',
  ],
  [
    "scaled rotary positions, new style",
    { ...llama, rope_parameters: { rope_type: "llama3", rope_theta: 5e5 } },
    'rope_type is "llama3", expected "default"',
  ],
  [
    "rotary positions on a part of each head",
    { ...llama, partial_rotary_factor: 0.5 },
    "partial_rotary_factor is 0.5, expected 1",
  ],
  [
    "groups that do not divide the heads",
    { ...llama, num_attention_heads: 4, num_key_value_heads: 3 },
    "cannot share 3 key/value heads among 4 heads: nHead must be a multiple " +
    "of nKvHead",
  ],
  [
    "another activation",
    { ...gpt2, activation_function: "relu" },
    'activation_function is "relu", expected gelu_new or gelu_pytorch_tanh ' +
    "or gelu",
  ],
  [
    "biases in llama's attention",
    { ...llama, attention_bias: true },
    "attention_bias is true, expected false",
  ],
  [
    "a size that is no count",
    { ...gpt2, n_layer: 1.5 },
    "n_layer is 1.5, expected a whole number above 0",
  ],
  [
    "a size that is absent",
    { ...gpt2, n_embd: undefined },
    "n_embd is missing, expected a whole number above 0",
  ],
  [
    "odd heads",
    { ...llama, head_dim: 7 },
    "head_dim is 7, expected an even number",
  ],
  [
    "a damaged hearth key",
    { hearth: { arch: "gpt3" } },
    'arch is "gpt3", expected gpt2 or llama',
  ],
];

for (const [what, json, message] of REFUSED) {
  Deno.test(`configFromHf() refuses ${what}`, () => {
    assert.throws(() => configFromHf(json), (error) => {
      assert.ok(error instanceof UserError);
      assert.equal(error.message, `Cannot use this config.json: ${message}`);
      assert.equal(error.exitCode, 2);
      return true;
    });
  });
}
