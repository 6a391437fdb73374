import assert from "node:assert/strict";
import { openModel } from "../../src/generate/open_model.ts";
import { trainTokenizer } from "../../src/tokenizer/mod.ts";
import { checkpointOf, MODELS } from "../export/_checkpoint.ts";

const GREEDY = { prompt: "ab", maxNewTokens: 3, temperature: 0 };

Deno.test("openModel() opens a checkpoint, and says what it has opened", async () => {
  const { json } = await trainTokenizer(
    { type: "char", vocabSize: 99 },
    ["abc \n"],
  );
  const config = { ...MODELS.gpt2, vocabSize: 5 };
  const files = { ...checkpointOf(config, json), warnings: ["It is old"] };
  const texts: string[] = [];
  for (let turn = 0; turn < 2; turn++) {
    await using model = await openModel(files, { device: "cpu", threads: 1 });
    assert.equal(model.name, "owl-1/step-00000500");
    assert.equal(model.device.backend, "cpu");
    assert.deepEqual(model.warnings, ["It is old"]);
    assert.equal(model.countUnknown("abx"), 1);
    const tokens = await Array.fromAsync(model.generate(GREEDY));
    assert.equal(tokens.length, 3);
    texts.push(tokens.map(({ text }) => text).join(""));
  }
  assert.equal(texts[0], texts[1]);
  assert.match(texts[0], /^[abc \n]{3}$/);
});

Deno.test("openModel() warns of a device that is not there", async () => {
  const files = { ...checkpointOf(MODELS.gpt2), warnings: ["It is old"] };
  await using model = await openModel(files, { device: "webgpu:99" });
  assert.equal(model.warnings.length, 2);
});
