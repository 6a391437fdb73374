import assert from "node:assert/strict";
import { UserError } from "../../src/base/errors.ts";
import {
  type ModelSection,
  resolveModel,
} from "../../src/model/model_config.ts";
import { flopsPerToken, parameterCount } from "../../src/model/model_size.ts";

const GPT2: ModelSection = {
  arch: "gpt2",
  nLayer: 12,
  nHead: 12,
  nEmbd: 768,
  seqLen: 1024,
  bias: true,
  dropout: 0,
  gelu: "tanh",
  ropeTheta: 10000,
  normEps: 1e-5,
  tieEmbeddings: true,
};

/** TinyLlama 1.1B. */
const LLAMA: ModelSection = {
  ...GPT2,
  arch: "llama",
  nLayer: 22,
  nHead: 32,
  nKvHead: 4,
  nEmbd: 2048,
  ffnDim: 5632,
  seqLen: 2048,
  tieEmbeddings: false,
};

Deno.test("resolveModel() fills in what the architecture implies", () => {
  const gpt2 = resolveModel(GPT2, 50257);
  assert.equal(gpt2.nKvHead, 12);
  assert.equal(gpt2.headDim, 64);
  assert.equal(gpt2.ffnDim, 3072);

  const llama = resolveModel({ ...GPT2, arch: "llama", nEmbd: 120 }, 100);
  assert.equal(llama.ffnDim, 320); // 8/3 * 120 = 320 is a multiple of 32
  assert.equal(llama.bias, false); // llama has none, whatever the default says
  assert.equal(
    resolveModel({ ...GPT2, arch: "llama", nEmbd: 64, nHead: 4 }, 9).ffnDim,
    192, // 8/3 * 64 = 170.7
  );
});

const REFUSED: [string, Partial<ModelSection>, RegExp, string][] = [
  [
    "heads do not divide channels",
    { nHead: 5, nEmbd: 384 },
    /^Cannot split nEmbd 384 into 5 heads: nEmbd must be a multiple of nHead$/,
    "use --n-embd 385 --n-head 5",
  ],
  [
    "gpt2 is given key/value heads",
    { nKvHead: 4 },
    /^Cannot use nKvHead 4 with arch gpt2: it must equal nHead 12$/,
    "use --arch llama, or leave --n-kv-head out",
  ],
  [
    "key/value heads do not divide heads",
    { arch: "llama", nKvHead: 5 },
    /^Cannot share 5 key\/value heads among 12 heads: nHead must be a multiple/,
    "use --n-kv-head 4",
  ],
  [
    "there are more key/value heads than heads",
    { arch: "llama", nKvHead: 24 },
    /^Cannot share 24 key\/value heads among 12 heads/,
    "use --n-kv-head 12",
  ],
  [
    "llama's heads are odd",
    { arch: "llama", nHead: 4, nEmbd: 12 },
    /^Cannot rotate heads of 3 channels: nEmbd \/ nHead must be even$/,
    "use --n-embd 16 --n-head 4",
  ],
];

for (const [when, change, message, hint] of REFUSED) {
  Deno.test(`resolveModel() refuses when ${when}`, () => {
    assert.throws(() => resolveModel({ ...GPT2, ...change }, 100), (error) => {
      assert.ok(error instanceof UserError);
      assert.match(error.message, message);
      assert.equal(error.hint, hint);
      assert.equal(error.exitCode, 2);
      return true;
    });
  });
}

Deno.test("parameterCount() gives the published sizes", () => {
  // GPT-2 small as transformers counts it, and TinyLlama's model card.
  assert.equal(parameterCount(resolveModel(GPT2, 50257)), 124_439_808);
  assert.equal(parameterCount(resolveModel(LLAMA, 32000)), 1_100_048_384);
});

Deno.test("flopsPerToken() counts matrices, head and attention", () => {
  const config = resolveModel(
    { ...GPT2, nLayer: 1, nHead: 2, nEmbd: 4, seqLen: 8 },
    10,
  );
  // qkv 4*12, proj 4*4, fc 4*16, fcProj 16*4, head 10*4; attention 12*4*8.
  assert.equal(
    flopsPerToken(config),
    6 * (48 + 16 + 64 + 64 + 40) + 12 * 4 * 8,
  );
});
