import assert from "node:assert/strict";
import { TextStream } from "../../src/generate/text_stream.ts";
import { trainTokenizer } from "../../src/tokenizer/mod.ts";

/** Ids are bytes. */
const BYTES = {
  decode: (ids: ArrayLike<number>) =>
    new TextDecoder().decode(Uint8Array.from(ids)),
};

/** Words with a space in front, but none at the start of the text. */
const WORDS = {
  decode: (ids: ArrayLike<number>) =>
    Array.from(ids, (id) => ["", " one", " two", " three"][id]).join("")
      .replace(/^ /, ""),
};

Deno.test("TextStream gives every character once it is complete", () => {
  const stream = new TextStream(BYTES);
  const pieces = pushAll(stream, new TextEncoder().encode("aé€😀b"));
  assert.deepEqual(
    pieces,
    ["a", "", "é", "", "", "€", "", "", "", "😀", "b"],
  );
  assert.equal(stream.flush(), "");
});

Deno.test("TextStream gives up on bytes that never become a character", () => {
  const stream = new TextStream(BYTES);
  // A lone continuation byte, then text: the byte is not held back for ever.
  assert.deepEqual(pushAll(stream, [0x80, 0x41]), ["", "\ufffdA"]);
  // Many of them: all but the last three are certainly wrong.
  const pieces = pushAll(stream, [0x80, 0x80, 0x80, 0x80, 0x80]);
  assert.deepEqual(pieces, ["", "", "", "\ufffd", "\ufffd"]);
  assert.equal(stream.flush(), "\ufffd".repeat(3));
  assert.equal(stream.flush(), "");
});

Deno.test("TextStream.flush() gives what was held back at the end", () => {
  const stream = new TextStream(BYTES);
  assert.deepEqual(pushAll(stream, [0x41, 0xe2, 0x82]), ["A", "", ""]);
  assert.equal(stream.flush(), "\ufffd");
});

Deno.test("TextStream.flush() asks no decoder for the text of nothing", () => {
  const decode = () => assert.fail("some decoders cannot");
  assert.equal(new TextStream({ decode }).flush(), "");
});

Deno.test("TextStream keeps the space between words", () => {
  assert.deepEqual(
    pushAll(new TextStream(WORDS), [1, 2, 3, 1]),
    ["one", " two", " three", " one"],
  );
  // Also after the text it continues, and after ids that have no text.
  assert.deepEqual(
    pushAll(new TextStream(WORDS, [1, 2]), [3, 0, 0, 1]),
    [" three", "", "", " one"],
  );
});

Deno.test("TextStream gives the whole text, whatever the ids are", () => {
  const text = "Grüße, 世界! 👩‍👩‍👧 end";
  const stream = new TextStream(BYTES);
  const pieces = pushAll(stream, new TextEncoder().encode(text));
  assert.equal(pieces.join("") + stream.flush(), text);
  assert.ok(pieces.every((piece) => !piece.includes("\ufffd")));
});

Deno.test("TextStream puts together what a trained tokenizer took apart", async () => {
  const text = "The owl said: “Grüße, 世界!” 👩‍👩‍👧\n The owl flew. ";
  for (const type of ["bpe", "byte", "char"] as const) {
    const settings = { type, vocabSize: 280 };
    const tokenizer = await trainTokenizer(settings, [text, text]);
    const ids = tokenizer.encode(text);
    // From every place on, as if the ids before it were the prompt.
    for (let n = 0; n < ids.length; n++) {
      const stream = new TextStream(tokenizer, ids.slice(0, n));
      const before = tokenizer.decode(ids.slice(0, n));
      if (n > 0 && before.endsWith("\ufffd")) continue; // inside a character
      const pieces = pushAll(stream, ids.slice(n));
      assert.equal((n ? before : "") + pieces.join("") + stream.flush(), text);
      assert.ok(pieces.every((piece) => !piece.includes("\ufffd")));
    }
  }
});

function pushAll(stream: TextStream, ids: Iterable<number>): string[] {
  return Array.from(ids, (id) => stream.push(id));
}
