import assert from "node:assert/strict";
import {
  CharacterCodec,
  readCharacters,
  trainCharacters,
} from "../../src/tokenizer/characters.ts";
import { parseTokenizerJson } from "../../src/tokenizer/tokenizer_json.ts";
import { fc } from "../_property.ts";
import {
  anyText,
  expectedOf,
  orderedSum,
  readFixture,
  STRINGS,
} from "./_helpers.ts";

Deno.test("trainCharacters() writes the tokenizer.json that Python makes", async () => {
  const json = await trainCharacters([readFixture("corpus.txt")]);
  assert.deepEqual(JSON.parse(json), JSON.parse(readFixture("char.json")));
});

Deno.test("trainCharacters() sorts by code point, not by UTF-16 unit", async () => {
  const { model } = JSON.parse(await trainCharacters(["b\n🙂", "\ufb01a"]));
  assert.deepEqual(model.vocab, { "\n": 0, a: 1, b: 2, "\ufb01": 3, "🙂": 4 });
  assert.equal(model.unk_token, "\n"); // there is no space to stand for others
});

Deno.test("trainCharacters() refuses an empty text", async () => {
  await assert.rejects(trainCharacters([]), {
    name: "UserError",
    message: "Cannot make a char tokenizer: the text is empty",
    exitCode: 2,
  });
});

Deno.test("CharacterCodec encodes and decodes as Python does", () => {
  const codec = open(readFixture("char.json"));
  const expected = expectedOf("char");
  STRINGS.forEach((text, i) => {
    assert.deepEqual([...codec.encode(text)], expected.ids[i], text);
    assert.equal(codec.decode(expected.ids[i]), expected.decoded[i]);
  });
  const corpus = codec.encode(readFixture("corpus.txt"));
  assert.equal(corpus.length, expected.corpusTokens);
  assert.equal(orderedSum(corpus), expected.corpusSum);
});

Deno.test("CharacterCodec gives back every text that it was made from", async () => {
  await fc.assert(fc.asyncProperty(
    anyText.filter((text) => text !== ""),
    async (text) => {
      const codec = open(await trainCharacters([text]));
      assert.equal(codec.decode(codec.encode(text)), text);
      assert.equal(codec.countUnknown(text), 0);
    },
  ));
});

Deno.test("CharacterCodec writes a space for what it does not know", async () => {
  const codec = open(await trainCharacters(["ab c"]));
  assert.equal(codec.decode(codec.encode("aXb🙂\ud800c")), "a b  c");
  assert.equal(codec.countUnknown("aXb🙂\ud800c"), 3);
  assert.equal(codec.decode([1, 99, -1, 2]), "ab"); // no such ids
});

Deno.test("readCharacters() declines tokens of two characters", () => {
  const root = JSON.parse(readFixture("char.json"));
  root.model.vocab["ab"] = 999;
  const file = parseTokenizerJson(JSON.stringify(root), "test");
  assert.equal(readCharacters(file), null);
});

function open(json: string): CharacterCodec {
  const model = readCharacters(parseTokenizerJson(json, "test"));
  assert.ok(model !== null);
  return new CharacterCodec(model);
}
