import assert from "node:assert/strict";
import { Tokenizer as Oracle } from "@huggingface/tokenizers";
import { UserError } from "../../src/base/errors.ts";
import { IdBuffer } from "../../src/tokenizer/id_buffer.ts";
import { loadTokenizer } from "../../src/tokenizer/load.ts";
import { draws, fc } from "../_property.ts";
import {
  anyText,
  expectedOf,
  orderedSum,
  readFixture,
  STRINGS,
} from "./_helpers.ts";

Deno.test.each(
  [
    ["bpe", "bpe", 1200, 0],
    ["gpt2", "bpe", 500, 499],
    ["byte", "byte", 257, 256],
    ["char", "char", 119, null],
    ["llama", "file", 600, 2],
  ] as const,
)("loadTokenizer() tells what %s.json is", async (name, type, size, end) => {
  const json = readFixture(`${name}.json`);
  const tokenizer = await loadTokenizer(json);
  assert.equal(tokenizer.type, type);
  assert.equal(tokenizer.vocabSize, size);
  assert.equal(tokenizer.endOfText, end);
  assert.equal(tokenizer.json, json);
  const digest = await crypto.subtle.digest(
    "SHA-256",
    new TextEncoder().encode(json),
  );
  assert.equal(tokenizer.fingerprint, new Uint8Array(digest).toHex());
});

Deno.test("loadTokenizer() keeps the type that it is given", async () => {
  const json = readFixture("gpt2.json");
  assert.equal((await loadTokenizer(json, { type: "file" })).type, "file");
});

Deno.test("loadTokenizer() encodes and decodes llama.json as Python does", async () => {
  const tokenizer = await loadTokenizer(readFixture("llama.json"));
  const expected = expectedOf("llama");
  STRINGS.forEach((text, i) => {
    assert.deepEqual([...tokenizer.encode(text)], expected.ids[i], text);
    assert.equal(tokenizer.decode(expected.ids[i]), expected.decoded[i]);
  });
  expected.oddIds.forEach((ids, i) => {
    assert.equal(tokenizer.decode(ids), expected.oddDecoded[i], `${ids}`);
  });
  const corpus = tokenizer.encode(readFixture("corpus.txt"));
  assert.equal(corpus.length, expected.corpusTokens);
  assert.equal(orderedSum(corpus), expected.corpusSum);
});

Deno.test("loadTokenizer() agrees with tokenizers.js on llama.json", async () => {
  const json = readFixture("llama.json");
  const tokenizer = await loadTokenizer(json);
  const oracle = new Oracle(JSON.parse(json), {});
  fc.assert(
    fc.property(anyText, (text) => {
      const { ids } = oracle.encode(text, { add_special_tokens: false });
      assert.deepEqual([...tokenizer.encode(text)], ids);
    }),
    { numRuns: draws(500) },
  );
});

Deno.test("Hugging Face's code keeps byte order marks and NULs", async () => {
  const tokenizer = await loadTokenizer(readFixture("llama.json"));
  for (
    const text of [
      "\ufeff at the start of a text",
      "a\0\ufeffb",
      "\0".repeat(20),
    ]
  ) {
    assert.equal(tokenizer.decode(tokenizer.encode(text)), text);
  }
  const lone = tokenizer.encode("a\ud800b");
  assert.equal(tokenizer.decode(lone), "a\ufffdb");
  assert.equal(tokenizer.decode([]), "");
  assert.equal(tokenizer.decode([9999, -1]), "");
});

Deno.test("Hugging Face's code reads the whole text whatever the file says", async () => {
  const root = JSON.parse(readFixture("llama.json"));
  const plain = await loadTokenizer(JSON.stringify(root));
  root.truncation = {
    direction: "Right",
    max_length: 4,
    strategy: "LongestFirst",
    stride: 0,
  };
  root.padding = {
    strategy: { Fixed: 64 },
    direction: "Right",
    pad_to_multiple_of: null,
    pad_id: 0,
    pad_type_id: 0,
    pad_token: "<unk>",
  };
  root.model.dropout = 0.5;
  const other = await loadTokenizer(JSON.stringify(root));
  const text = "people time year way day man thing";
  assert.deepEqual(other.encode(text), plain.encode(text));
});

Deno.test("Hugging Face's code appends ids to others", async () => {
  const tokenizer = await loadTokenizer(readFixture("llama.json"));
  const ids = new IdBuffer(0);
  ids.push(7);
  tokenizer.encodeInto(ids, new TextEncoder().encode("people time"));
  assert.deepEqual([...ids.take()], [7, ...tokenizer.encode("people time")]);
});

Deno.test("decode() leaves out special tokens, and no others", async () => {
  const added = (content: string, special: boolean) => ({
    ...{ content, special, single_word: false, normalized: false },
    ...{ lstrip: false, rstrip: false },
  });
  const tokenizer = await loadTokenizer(JSON.stringify({
    version: "1.0",
    added_tokens: [
      { id: 1, ...added("<s>", true) },
      { id: 2, ...added("<note>", false) },
    ],
    pre_tokenizer: { type: "WhitespaceSplit" },
    model: { type: "WordLevel", vocab: { cat: 0 }, unk_token: "cat" },
  }));
  const ids = tokenizer.encode("<s> cat <note>");
  assert.deepEqual([...ids], [1, 0, 2]);
  assert.equal(tokenizer.decode([...ids, 3, 9999]), "cat <note>");
});

Deno.test("encode() says what Hugging Face's code has no ids for", async () => {
  const tokenizer = await loadTokenizer(JSON.stringify({
    version: "1.0",
    pre_tokenizer: { type: "WhitespaceSplit" },
    model: { type: "WordLevel", vocab: { cat: 0 }, unk_token: "<unk>" },
  }));
  assert.deepEqual([...tokenizer.encode("cat cat")], [0, 0]);
  assert.throws(() => tokenizer.encode("cat dog"), {
    name: "UserError",
    message: 'Cannot encode the text: the tokenizer says "MissingUnkToken"',
    exitCode: 1,
  });
});

Deno.test("decode() says where Hugging Face's code fails", async () => {
  // tokenizers 0.21.1 strips up to 127 letters of a word of two.
  const tokenizer = await loadTokenizer(JSON.stringify({
    version: "1.0",
    pre_tokenizer: { type: "WhitespaceSplit" },
    decoder: { type: "Strip", content: "a", start: 0, stop: 127 },
    model: { type: "WordLevel", vocab: { aa: 0 }, unk_token: "aa" },
  }));
  assert.throws(() => tokenizer.decode([0]), {
    name: "UserError",
    message: /^Cannot decode tokens: the tokenizer says "index out of bounds: /,
  });
});

Deno.test("loadTokenizer() loads a word list and counts its unknown words", async () => {
  const tokenizer = await loadTokenizer(JSON.stringify({
    version: "1.0",
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: { type: "WhitespaceSplit" },
    post_processor: null,
    decoder: null,
    model: {
      type: "WordLevel",
      // A name that a plain object would swallow, and ids with a gap.
      vocab: JSON.parse(`{"<unk>": 0, "__proto__": 1, "cat": 5}`),
      unk_token: "<unk>",
    },
  }));
  assert.equal(tokenizer.vocabSize, 6);
  assert.deepEqual([...tokenizer.encode("cat __proto__ dog")], [5, 1, 0]);
  assert.equal(tokenizer.countUnknown("cat dog  bird"), 2);
});

Deno.test("loadTokenizer() numbers added tokens after the vocabulary", async () => {
  const root = JSON.parse(readFixture("bpe.json"));
  root.added_tokens.push({ ...root.added_tokens[0], content: "</s>" });
  const tokenizer = await loadTokenizer(JSON.stringify(root));
  assert.equal(tokenizer.vocabSize, 1201);
  assert.deepEqual([...tokenizer.encode("</s><|endoftext|>")], [1200, 0]);
  assert.equal(tokenizer.endOfText, 0); // the more telling of the two
});

Deno.test("countUnknown() is 0 for tokenizers that know every text", async () => {
  const tokenizer = await loadTokenizer(readFixture("bpe.json"));
  assert.equal(tokenizer.countUnknown("日本 🙂 \u{10940}"), 0);
});

Deno.test("loadTokenizer() gives a Unigram model's ids", async () => {
  const tokenizer = await loadTokenizer(JSON.stringify({
    version: "1.0",
    added_tokens: [{
      id: 0,
      content: "</s>",
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    }],
    normalizer: null,
    pre_tokenizer: { type: "Metaspace", replacement: "▁" },
    post_processor: null,
    decoder: { type: "Metaspace", replacement: "▁" },
    model: {
      type: "Unigram",
      unk_id: 1,
      vocab: [["</s>", 0], ["<unk>", 0], ["▁a", -1], ["b", -2], ["▁ab", -9]],
    },
  }));
  assert.equal(tokenizer.endOfText, 0);
  // Two pieces that score -1 - 2 against one that scores -9.
  assert.deepEqual([...tokenizer.encode("ab</s>")], [2, 3, 0]);
  assert.equal(tokenizer.countUnknown("a xb"), 1);
});

Deno.test.each([
  ["not JSON", "{", /it is not JSON \(/],
  ["a number", "7", /not a Hugging Face tokenizer: Invalid input/],
  ["another object", `{"a": 1}`, /not a Hugging Face tokenizer at "model"/],
  [
    "no vocabulary",
    edited({ vocab: undefined }),
    /"model.vocab": no map of to/,
  ],
  ["a bad id", edited({ vocab: { a: -1 } }), /"model.vocab": no map of tokens/],
  [
    "an id too large",
    edited({ vocab: { a: 2 ** 24 } }),
    /"model.vocab": no map of/,
  ],
  ["null in its place", edited({ vocab: null }), /"model.vocab": no map of to/],
  ["a number there", edited({ vocab: 7 }), /"model.vocab": no map of tokens/],
  [
    "pieces without scores",
    edited({ type: "Unigram", vocab: [["a", "b"]] }),
    /"model.vocab": no map of tokens/,
  ],
  [
    "scores without pieces",
    edited({ type: "Unigram", vocab: [[1, 2]] }),
    /"model.vocab": no map of tokens/,
  ],
  ["a new model", edited({ type: "Mamba" }), /at "model.type": Invalid option/],
  ["a bad merge", edited({ merges: [["Ġ", "zz"]] }), /Token `zz` out of vocab/],
  [
    "a bad setting",
    edited({ byte_fallback: "x" }),
    /says "invalid type: string/,
  ],
] as [string, string, RegExp][])(
  "loadTokenizer() refuses %s in one line",
  async (_, json, reason) => {
    const errors: unknown[] = [];
    const log = console.error;
    console.error = (...words) => errors.push(words);
    try {
      await assert.rejects(loadTokenizer(json, { name: "a.json" }), (error) => {
        assert.ok(error instanceof UserError);
        assert.match(error.message, /^Cannot use tokenizer "a\.json": .+$/);
        assert.match(error.message, reason);
        assert.equal(error.exitCode, 2);
        return true;
      });
    } finally {
      console.error = log;
    }
    assert.deepEqual(errors, []);
  },
);

Deno.test("loadTokenizer() works before and after a file that aborts the code", async () => {
  const before = await loadTokenizer(readFixture("llama.json"));
  await assert.rejects(loadTokenizer(edited({ merges: [["Ġ", "zz"]] })));
  const after = await loadTokenizer(readFixture("llama.json"));
  for (const tokenizer of [before, after]) {
    assert.equal(tokenizer.decode(tokenizer.encode("people")), "people");
  }
});

Deno.test("loadTokenizer() leaves no names behind in the global scope", async () => {
  const before = Object.getOwnPropertyNames(globalThis);
  await loadTokenizer(readFixture("llama.json"));
  const after = Object.getOwnPropertyNames(globalThis);
  assert.deepEqual(after.filter((name) => !before.includes(name)), []);
});

/** bpe.json with another model. */
function edited(model: Record<string, unknown>): string {
  const root = JSON.parse(readFixture("bpe.json"));
  return JSON.stringify({ ...root, model: { ...root.model, ...model } });
}
