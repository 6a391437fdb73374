import assert from "node:assert/strict";
import { loadTokenizer } from "../../src/tokenizer/mod.ts";

const read = (name: string) =>
  Deno.readTextFile(
    new URL(`../fixtures/tokenizer/${name}.json`, import.meta.url),
  );

Deno.test("startOfText() is what template and config.json agree on", async () => {
  const llama = await loadTokenizer(await read("llama")); // template: <s> is 1
  assert.equal(llama.startOfText({ bos_token_id: 1, eos_token_id: 2 }), 1);
  assert.equal(llama.startOfText({ bos_token_id: 1, eos_token_id: [2, 5] }), 1);
  // Trained here: texts begin after the end of the one before.
  assert.equal(llama.startOfText({ bos_token_id: 2, eos_token_id: 2 }), null);
  assert.equal(llama.startOfText({ bos_token_id: 5, eos_token_id: 2 }), null);
  assert.equal(llama.startOfText({}), null);
});

Deno.test("startOfText() looks into a sequence of post-processors", async () => {
  const json = JSON.parse(await read("llama"));
  const byteLevel = { type: "ByteLevel", add_prefix_space: true };
  const processors = [
    { ...byteLevel, trim_offsets: false, use_regex: true },
    json.post_processor,
  ];
  json.post_processor = { type: "Sequence", processors };
  const tokenizer = await loadTokenizer(JSON.stringify(json));
  assert.equal(tokenizer.startOfText({ bos_token_id: 1, eos_token_id: 2 }), 1);
});

Deno.test("startOfText() is null for a tokenizer without a template", async () => {
  const bpe = await loadTokenizer(await read("bpe"));
  assert.equal(bpe.startOfText({ bos_token_id: 0, eos_token_id: 1 }), null);
});
