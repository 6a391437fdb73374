import assert from "node:assert/strict";
import { Tokenizer as Oracle } from "@huggingface/tokenizers";
import {
  ByteLevelBpe,
  readByteLevel,
} from "../../src/tokenizer/byte_level_bpe.ts";
import { IdBuffer } from "../../src/tokenizer/id_buffer.ts";
import { loadTokenizer } from "../../src/tokenizer/load.ts";
import { parseTokenizerJson } from "../../src/tokenizer/tokenizer_json.ts";
import { draws, fc } from "../_property.ts";
import {
  anyText,
  expectedOf,
  orderedSum,
  readFixture,
  splitWords,
  STRINGS,
} from "./_helpers.ts";

for (const name of ["bpe", "gpt2", "byte"] as const) {
  const bpe = open(readFixture(`${name}.json`));
  const expected = expectedOf(name);

  Deno.test(`ByteLevelBpe encodes and decodes ${name}.json as Python does`, () => {
    STRINGS.forEach((text, i) => {
      assert.deepEqual([...bpe.encode(text)], expected.ids[i], text);
      assert.equal(bpe.decode(expected.ids[i]), expected.decoded[i]);
    });
    expected.oddIds.forEach((ids, i) => {
      assert.equal(bpe.decode(ids), expected.oddDecoded[i], `${ids}`);
    });
    const corpus = bpe.encode(readFixture("corpus.txt"));
    assert.equal(corpus.length, expected.corpusTokens);
    assert.equal(orderedSum(corpus), expected.corpusSum);
  });

  Deno.test(`ByteLevelBpe with ${name}.json gives every text back`, () => {
    const plain = anyText.filter((text) => !text.includes("<|endoftext|>"));
    fc.assert(fc.property(plain, (text) => {
      assert.equal(bpe.decode(bpe.encode(text)), text);
    }));
  });
}

for (const name of ["bpe", "gpt2"] as const) {
  Deno.test(`ByteLevelBpe with ${name}.json agrees with tokenizers.js`, () => {
    const json = readFixture(`${name}.json`);
    const bpe = open(json);
    // tokenizers.js takes white space as JavaScript does; Python disagrees.
    const text = anyText.map((text) => text.replace(/[\u0085\ufeff]/g, ""));
    const root = JSON.parse(json);
    root.model.type = "BPE";
    const oracle = new Oracle(root, {});
    fc.assert(
      fc.property(text, (text) => {
        assert.deepEqual([...bpe.encode(text)], oracle.encode(text).ids);
      }),
      { numRuns: draws(1000) },
    );
  });
}

Deno.test("ByteLevelBpe agrees with Hugging Face's Rust code", async () => {
  const root = JSON.parse(readFixture("bpe.json"));
  const bpe = open(JSON.stringify(root));
  // Changes nothing but the shape, so that Hugging Face's code takes it.
  root.normalizer = { type: "Sequence", normalizers: [] };
  const rust = await loadTokenizer(JSON.stringify(root));
  assert.equal(rust.type, "file");
  // Its tables end with Unicode 14; all letters down here are older.
  const text = anyText.map((text) => text.replace(/[\u1c80-\uffff]/g, "·"));
  fc.assert(
    fc.property(text, (text) => {
      const ids = bpe.encode(text);
      assert.deepEqual(ids, rust.encode(text));
      assert.equal(bpe.decode(ids), rust.decode(ids));
    }),
    { numRuns: draws(500) },
  );
});

Deno.test("ByteLevelBpe merges as if every pair were looked for each time", () => {
  const json = readFixture("bpe.json");
  const bpe = open(json);
  const { model } = JSON.parse(json);
  const word = fc.string({
    unit: fc.constantFrom(..."peoltimqun "),
    maxLength: 30,
  });
  fc.assert(fc.property(word, (text) => {
    const slow = splitWords(text).flatMap((word) => mergeSlowly(word, model));
    assert.deepEqual([...bpe.encode(text)], slow);
  }));
});

Deno.test("ByteLevelBpe encodes a word of 200,000 letters", () => {
  const bpe = open(readFixture("bpe.json"));
  const text = "question".repeat(25_000);
  const ids = bpe.encode(text);
  assert.equal(bpe.decode(ids), text);
  assert.ok(ids.length <= 2 * 25_000, `${ids.length} tokens`);
});

Deno.test("ByteLevelBpe takes lone surrogates for U+FFFD", () => {
  const bpe = open(readFixture("bpe.json"));
  assert.equal(bpe.decode(bpe.encode("a\ud800b\udc00")), "a\ufffdb\ufffd");
});

Deno.test("ByteLevelBpe leaves out ids that are not in the vocabulary", () => {
  const bpe = open(readFixture("byte.json"));
  assert.equal(bpe.decode([72, 999, 105, -1, 256]), "Hi");
  assert.equal(bpe.decode([]), "");
});

Deno.test("ByteLevelBpe finds the longest added token, special or not", () => {
  const root = JSON.parse(readFixture("byte.json"));
  const added = (content: string, special: boolean) => ({
    ...root.added_tokens[0],
    id: 0, // Hugging Face numbers them by itself
    content,
    special,
  });
  root.added_tokens.push(added("<a>", true), added("<a><b>", false));
  root.added_tokens.push(added("", false), added("(.*)+", false));
  const bpe = open(JSON.stringify(root));
  const ids = [...bpe.encode("<a><a><b>(.*)+<|endoftext|>b")];
  assert.deepEqual(ids, [257, 258, 259, 256, 98]);
  assert.equal(bpe.decode(ids), "<a><b>(.*)+b");
});

Deno.test("readByteLevel() declines what is not GPT-2's shape", () => {
  const change = (edit: Edit) => {
    const root = JSON.parse(readFixture("bpe.json"));
    edit(root);
    return readByteLevel(parseTokenizerJson(JSON.stringify(root), "test"));
  };
  assert.notEqual(change(() => {}), null);
  assert.notEqual(change((root) => root.truncation = { max_length: 8 }), null);
  const edits: Record<string, Edit> = {
    normalizer: (root) => root.normalizer = { type: "NFC" },
    prefixSpace: (root) => root.pre_tokenizer.add_prefix_space = true,
    noWords: (root) => root.pre_tokenizer.use_regex = false,
    split: (root) => root.pre_tokenizer = { type: "Whitespace" },
    decoder: (root) => root.decoder = null,
    dropout: (root) => root.model.dropout = 0.1,
    suffix: (root) => root.model.end_of_word_suffix = "</w>",
    wholeWords: (root) => root.model.ignore_merges = true,
    unknownMerge: (root) => root.model.merges.push(["Ġ", "zz"]),
    longMerge: (root) => root.model.merges.push(["a", "b", "c"]),
    missingByte: (root) => delete root.model.vocab["Ā"],
    strip: (root) => root.added_tokens[0].lstrip = true,
    twoKinds: (root) =>
      root.added_tokens.push({ ...root.added_tokens[0], normalized: true }),
  };
  for (const [name, edit] of Object.entries(edits)) {
    assert.equal(change(edit), null, name);
  }
});

// deno-lint-ignore no-explicit-any -- any part of a parsed file
type Edit = (root: any) => void;

function open(json: string): ByteLevelBpe {
  const model = readByteLevel(parseTokenizerJson(json, "test"));
  assert.ok(model !== null);
  return new ByteLevelBpe(model);
}

/** Applies the earliest merge that fits, at the leftmost place, until none. */
function mergeSlowly(
  word: string,
  { vocab, merges }: {
    vocab: Record<string, number>;
    merges: [string, string][];
  },
): number[] {
  const parts = [...word.replaceAll(" ", "Ġ")];
  for (;;) {
    const merge = merges.find(([left, right]) =>
      parts.some((part, i) => part === left && parts[i + 1] === right)
    );
    if (merge === undefined) return parts.map((part) => vocab[part]);
    const at = parts.findIndex((part, i) =>
      part === merge[0] && parts[i + 1] === merge[1]
    );
    parts.splice(at, 2, merge.join(""));
  }
}

Deno.test("decodeUtf8() gives back any bytes, UTF-8 or not", () => {
  const bpe = open(readFixture("bpe.json"));
  const bytes = fc.uint8Array({ maxLength: 200 });
  fc.assert(
    fc.property(bytes, (bytes) => {
      const ids = new IdBuffer(bytes.length);
      bpe.encodeInto(ids, bytes);
      assert.deepEqual(bpe.decodeUtf8(ids.take()), bytes);
    }),
    { numRuns: draws(2000) },
  );
});
