import assert from "node:assert/strict";
import { trainBpe } from "../../src/tokenizer/train_bpe.ts";
import { readFixture } from "./_helpers.ts";

Deno.test("trainBpe() writes the tokenizer.json that Python trains", async () => {
  const json = await trainBpe([readFixture("corpus.txt")], { vocabSize: 1200 });
  assert.deepEqual(JSON.parse(json), JSON.parse(readFixture("bpe.json")));
});

Deno.test("trainBpe() counts each text by itself and takes any iterable", async () => {
  async function* texts() {
    yield await Promise.resolve("x a");
    yield "b a";
  }
  const { model } = JSON.parse(await trainBpe(texts(), { vocabSize: 300 }));
  assert.deepEqual(model.merges, [["Ġ", "a"]]); // and not "ab"
});

Deno.test("trainBpe() gives a smaller vocabulary when pairs run out", async () => {
  const size = async (options: { vocabSize: number; minFrequency?: number }) =>
    Object.keys(JSON.parse(await trainBpe(["abc abc x"], options)).model.vocab)
      .length;
  assert.equal(await size({ vocabSize: 5000 }), 257 + 4);
  assert.equal(await size({ vocabSize: 5000, minFrequency: 2 }), 257 + 2);
  assert.equal(await size({ vocabSize: 258 }), 258);
  assert.equal(await size({ vocabSize: 10 }), 257);
});

Deno.test("trainBpe() gives special tokens the first ids", async () => {
  const json = await trainBpe([""], {
    vocabSize: 300,
    specialTokens: ["<pad>", "<eos>"],
  });
  const { model, added_tokens } = JSON.parse(json);
  assert.equal(model.vocab["<pad>"], 0);
  assert.equal(model.vocab["<eos>"], 1);
  assert.equal(model.vocab["!"], 2);
  assert.deepEqual(
    added_tokens.map((t: { id: number; content: string }) => [t.id, t.content]),
    [[0, "<pad>"], [1, "<eos>"]],
  );
});

Deno.test("trainBpe() stops with the signal's reason", async () => {
  let read = 0;
  function* manyTexts() {
    while (read < 10_000) yield `word${read++} `.repeat(100);
  }
  await assert.rejects(
    trainBpe(manyTexts(), {
      vocabSize: 300,
      signal: AbortSignal.abort(new Error("stop")),
    }),
    { message: "stop" },
  );
  assert.ok(read < 10_000, "all of the texts were read");
});

Deno.test("trainBpe() reports counting, then merging", async () => {
  const text = readFixture("corpus.txt");
  function* slowly() {
    yield text;
    const until = performance.now() + 60; // a report is due every 50 ms
    while (performance.now() < until);
    yield text;
  }
  const phases: string[] = [];
  await trainBpe(slowly(), {
    vocabSize: 400,
    onProgress: (progress) => phases.push(progress.phase),
  });
  assert.equal(phases[0], "counting");
});
