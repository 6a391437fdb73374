import assert from "node:assert/strict";
import { UserError } from "../../src/base/errors.ts";
import {
  BatchBuilder,
  type TextBatch,
} from "../../src/tokenizer/text_batch.ts";
import { TextPool } from "../../src/tokenizer/text_pool.ts";
import { byteTokenizerJson } from "../../src/tokenizer/train.ts";
import { trainBpe } from "../../src/tokenizer/train_bpe.ts";
import { readFixture } from "./_helpers.ts";

const encoder = new TextEncoder();
/** Above those that are done without a thread. */
const MANY = 12;

Deno.test("TextPool encodes batches in order, here and in threads", async () => {
  using pool = new TextPool(
    { kind: "encode", json: byteTokenizerJson(), type: "byte" },
    2,
  );
  const results = [];
  for (let i = 0; i < MANY; i++) {
    results.push(await pool.submit(await batchOf([`${i}`, "é"], [1])));
  }
  for (const [i, { result }] of results.entries()) {
    const { ids, unknown } = await result;
    assert.deepEqual([...ids], [...encoder.encode(`${i}é`), 256]);
    assert.equal(unknown, 0);
  }
  assert.deepEqual(await pool.finish(), [null, null, null]);
});

Deno.test("TextPool says what a tokenizer says, from a thread, too", async () => {
  using pool = new TextPool({ kind: "encode", json: "{}", type: "file" }, 2);
  const submit = async () => {
    const { result } = await pool.submit(await batchOf(["a"], []));
    return await result;
  };
  for (let i = 0; i < MANY; i++) {
    await assert.rejects(submit, (error) => {
      assert.ok(error instanceof UserError);
      assert.match(error.message, /not a Hugging Face tokenizer/);
      return true;
    });
  }
});

Deno.test("TextPool ends when its threads do", async () => {
  const { Worker } = globalThis;
  class Dying extends Worker {
    constructor(_: string | URL, options?: WorkerOptions) {
      super("data:text/javascript,throw new Error('no memory')", options);
    }
  }
  globalThis.Worker = Dying;
  try {
    using pool = new TextPool({ kind: "count" }, 2);
    for (let i = 0; i < MANY; i++) await pool.submit(await batchOf(["a"], []));
    await assert.rejects(pool.finish(), /no memory/);
  } finally {
    globalThis.Worker = Worker;
  }
});

Deno.test("trainBpe() gives the same for any number of threads", async () => {
  // Some MB in many texts, so that threads take part.
  const text = readFixture("corpus.txt");
  const texts = Array.from(
    { length: 60 },
    (_, i) => text.slice(i * 500) + ` w${i}`,
  );
  const alone = await trainBpe(texts, { vocabSize: 600, threads: 1 });
  const threaded = await trainBpe(texts, { vocabSize: 600, threads: 3 });
  assert.equal(threaded, alone);
});

Deno.test("BatchBuilder makes batches of about a megabyte", async () => {
  const batches: TextBatch[] = [];
  const builder = new BatchBuilder((batch) => {
    batches.push(batch);
    return Promise.resolve();
  });
  const long = "é".repeat(1 << 20); // more than a buffer holds
  for (const text of ["a", long, "b".repeat(300_000), "c"]) {
    await builder.add(text);
    builder.endDocument();
  }
  await builder.flush();
  await builder.flush();
  assert.deepEqual(
    batches.map(({ bytes, ends }) => [bytes.length, ends.length]),
    // The long one has a buffer of three bytes per unit, with room for more.
    [[1, 1], [(1 << 21) + 300_001, 3]],
  );
});

async function batchOf(
  texts: string[],
  documentEnds: number[],
): Promise<TextBatch> {
  let batch: TextBatch | undefined;
  const builder = new BatchBuilder((full) => {
    batch = full;
    return Promise.resolve();
  });
  for (const [i, text] of texts.entries()) {
    await builder.add(text);
    if (documentEnds.includes(i)) builder.endDocument();
  }
  await builder.flush();
  return batch!;
}
