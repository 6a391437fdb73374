import assert from "node:assert/strict";
import { loadTokenizer } from "../../src/tokenizer/mod.ts";
import { findStartOfText } from "../../src/tokenizer/start_of_text.ts";

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

Deno.test("findStartOfText() reads templates, and nothing that looks like one", () => {
  const config = { bos_token_id: 1, eos_token_id: 2 };
  const template = {
    type: "TemplateProcessing",
    single: [{ SpecialToken: { id: "<s>" } }, { Sequence: { id: "A" } }],
    special_tokens: { "<s>": { ids: [1] } },
  };
  assert.equal(findStartOfText(template, config), 1);
  const others: unknown[] = [
    { ...template, type: "RobertaProcessing" },
    { ...template, single: "<s> A" },
    { ...template, special_tokens: undefined },
    { ...template, special_tokens: { "<s>": { ids: 1 } } },
    { ...template, single: template.single.toReversed() },
    { type: "Other", processors: [template] },
    { type: "Sequence", processors: template },
    null,
  ];
  for (const other of others) {
    assert.equal(findStartOfText(other, config), null, JSON.stringify(other));
  }
  // Not a number, whatever else is the same.
  const special_tokens = { "<s>": { ids: ["1"] } };
  const word = { ...config, bos_token_id: "1" };
  assert.equal(findStartOfText({ ...template, special_tokens }, word), null);
});
