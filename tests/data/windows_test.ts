import assert from "node:assert/strict";
import fc from "fast-check";
import { IGNORED_TARGET } from "../../src/data/dataset.ts";
import { IGNORED_TARGET as GRAPH_TARGET } from "../../src/graph/ops.ts";
import { TokenFile, TokenWriter } from "../../src/data/token_file.ts";
import {
  countWindows,
  OrderedBatches,
  ShuffledBatches,
  windowTokens,
} from "../../src/data/windows.ts";
import { TempDir } from "./_helpers.ts";

Deno.test("IGNORED_TARGET is the one the loss leaves out", () => {
  assert.equal(IGNORED_TARGET, GRAPH_TARGET);
});

Deno.test("countWindows() counts windows that overlap by one token", () => {
  // seqLen 4: tokens 0-4, then 4-8, then 8-12
  const cases = [[0, 0], [4, 0], [5, 1], [8, 1], [9, 2], [12, 2], [13, 3]];
  for (const [tokens, windows] of cases) {
    assert.equal(countWindows(tokens, 4), windows, `${tokens} tokens`);
  }
  assert.equal(windowTokens(3, 4), 13);
});

Deno.test("OrderedBatches.at() gives windows in order and pads the last", async () => {
  await using dir = new TempDir();
  using tokens = await counting(dir, 14); // 3 windows of 4, one token unused
  const batches = new OrderedBatches(tokens.file, { batchSize: 2, seqLen: 4 });
  assert.equal(batches.windows, 3);
  assert.equal(batches.batchesPerEpoch, 2);
  assert.equal(batches.tokensPerBatch, 8);
  assert.deepEqual(await batches.at(0), {
    inputs: Uint32Array.of(0, 1, 2, 3, 4, 5, 6, 7),
    targets: Uint32Array.of(1, 2, 3, 4, 5, 6, 7, 8),
  });
  const none = IGNORED_TARGET;
  assert.deepEqual(await batches.at(1), {
    inputs: Uint32Array.of(8, 9, 10, 11, 0, 0, 0, 0),
    targets: Uint32Array.of(9, 10, 11, 12, none, none, none, none),
  });
  assert.deepEqual(await batches.at(2), await batches.at(0));
});

Deno.test("ShuffledBatches.at() gives each window once per epoch", async () => {
  await using dir = new TempDir();
  const sizes = fc.record({
    windows: fc.integer({ min: 1, max: 40 }),
    extra: fc.nat(5),
    batchSize: fc.integer({ min: 1, max: 7 }),
    seqLen: fc.integer({ min: 1, max: 6 }),
    seed: fc.maxSafeNat(),
    epoch: fc.nat(1000),
  });
  await fc.assert(
    fc.asyncProperty(sizes, async (size) => {
      const { windows, batchSize, seqLen, seed, epoch } = size;
      fc.pre(windows >= batchSize);
      const extra = size.extra % seqLen;
      using tokens = await counting(dir, windows * seqLen + 1 + extra);
      const batches = new ShuffledBatches(
        tokens.file,
        { batchSize, seqLen },
        seed,
      );
      assert.equal(batches.windows, windows);
      assert.equal(batches.batchesPerEpoch, Math.floor(windows / batchSize));
      const seen = new Set<number>();
      for (let i = 0; i < batches.batchesPerEpoch; i++) {
        const cursor = epoch * batches.batchesPerEpoch + i;
        const { inputs, targets } = await batches.at(cursor);
        for (let at = 0; at < inputs.length; at++) {
          assert.equal(targets[at], inputs[at] + 1); // the tokens count up
          if (at % seqLen === 0) seen.add(inputs[at] / seqLen);
        }
      }
      assert.equal(seen.size, batches.batchesPerEpoch * batchSize);
      for (const window of seen) {
        assert.ok(Number.isInteger(window) && window < windows);
      }
    }),
    { numRuns: 60 },
  );
});

Deno.test("ShuffledBatches.at() depends on seed and position alone", async () => {
  await using dir = new TempDir();
  using tokens = await counting(dir, 401);
  const shape = { batchSize: 3, seqLen: 4 };
  const open = (seed: number) => new ShuffledBatches(tokens.file, shape, seed);
  const inOrder = open(7);
  const expected = await Array.fromAsync(
    { length: 99 },
    (_, cursor) => inOrder.at(cursor),
  );
  const backwards = open(7);
  for (let cursor = 98; cursor >= 0; cursor -= 7) {
    assert.deepEqual(await backwards.at(cursor), expected[cursor]);
  }
  assert.deepEqual(await open(7).at(50), expected[50]);
  assert.notDeepEqual(await open(8).at(50), expected[50]);
});

Deno.test("ShuffledBatches.at() shuffles anew every epoch", async () => {
  await using dir = new TempDir();
  using tokens = await counting(dir, 401); // 100 windows
  const batches = new ShuffledBatches(
    tokens.file,
    { batchSize: 100, seqLen: 4 },
    1,
  );
  const first = await batches.at(0), second = await batches.at(1);
  assert.notDeepEqual(first, second);
  assert.deepEqual(first.inputs.toSorted(), second.inputs.toSorted());
  assert.notDeepEqual(first.inputs, first.inputs.toSorted());
});

Deno.test("at() rejects what is not a position", async () => {
  await using dir = new TempDir();
  using tokens = await counting(dir, 9);
  const shape = { batchSize: 1, seqLen: 4 };
  const batches = new ShuffledBatches(tokens.file, shape, 1);
  for (const cursor of [-1, 0.5, NaN]) {
    await assert.rejects(() => batches.at(cursor), RangeError);
  }
});

/** The ids 0, 1, 2 … as a file. */
async function counting(dir: TempDir, count: number) {
  const path = `${dir.path}/counting.bin`;
  const writer = await TokenWriter.create(path, "u32");
  await writer.write(Uint32Array.from({ length: count }, (_, i) => i));
  await writer.finish();
  writer.close();
  const file = new TokenFile(path, { tokens: count, dtype: "u32" });
  return { file, [Symbol.dispose]: () => file.close() };
}
