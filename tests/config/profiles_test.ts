import assert from "node:assert/strict";
import { loadConfig } from "../../src/config/load.ts";
import { PROFILES } from "../../src/config/profiles.ts";
import { PROFILE_NAMES } from "../../src/config/profile_names.ts";
import { schemaText } from "../../scripts/write_schema.ts";

Deno.test("hearth.schema.json is what write_schema.ts writes", async () => {
  const path = new URL("../../configs/hearth.schema.json", import.meta.url);
  assert.equal(await Deno.readTextFile(path), schemaText());
});

Deno.test("PROFILES holds every file of configs/, in the order of the names", async () => {
  const files: string[] = [];
  for await (
    const { name } of Deno.readDir(new URL("../../configs", import.meta.url))
  ) if (name.endsWith(".yaml")) files.push(name.replace(".yaml", ""));
  assert.deepEqual(Object.keys(PROFILES), [...PROFILE_NAMES]);
  assert.deepEqual(files.sort(), [...PROFILE_NAMES].sort());
});

Deno.test("every profile is valid", async () => {
  for (const profile of PROFILE_NAMES) {
    const config = await loadConfig({
      profile,
      set: ["data.dataset=input.txt"],
    });
    assert.equal(config.model.nEmbd % config.model.nHead, 0, profile);
  }
});

// config/train_shakespeare_char.py and the README of nanoGPT, commit 3adf61e;
// names of nanoGPT in the order n_layer n_head n_embd block_size batch_size
// gradient_accumulation_steps dropout bias learning_rate min_lr max_iters
// warmup_iters beta1 beta2 weight_decay grad_clip eval_interval eval_iters
// log_interval.
const NANOGPT = {
  "shakespeare-char": [
    6,
    6,
    384,
    256,
    64,
    1,
    0.2,
    false,
    1e-3,
    1e-4,
    5000,
    100,
    0.9,
    0.99,
    0.1,
    1,
    250,
    200,
    10,
  ], // deno-fmt-ignore
  "shakespeare-char-cpu": [4, 4, 128, 64, 12, 1, 0, false, 1e-3, 1e-4, 2000, 100, 0.9, 0.99, 0.1, 1, 250, 20, 1], // deno-fmt-ignore
};

for (const [profile, values] of Object.entries(NANOGPT)) {
  Deno.test(`profile ${profile} has nanoGPT's values`, async () => {
    const { seed, model: m, tokenizer, data, train: t } = await loadConfig({
      profile,
      set: ["data.dataset=input.txt"],
    });
    assert.deepEqual(
      [
        ...[m.nLayer, m.nHead, m.nEmbd, m.seqLen],
        ...[t.batchSize, t.gradAccumSteps, m.dropout, m.bias],
        ...[t.lr, t.minLr, t.steps, t.warmupSteps],
        ...[t.beta1, t.beta2, t.weightDecay, t.gradClip],
        ...[t.evalEvery, t.evalBatches, t.logEvery],
      ],
      values,
    );
    assert.equal(seed, 1337);
    assert.equal(tokenizer.type, "char");
    assert.equal(data.valFraction, 0.1);
    assert.equal(t.schedule, "cosine");
    assert.equal(t.eps, 1e-8); // PyTorch's default
    assert.equal(m.gelu, "exact"); // nn.GELU()
    assert.equal(m.normEps, 1e-5);
    assert.equal(m.tieEmbeddings, true);
  });
}
