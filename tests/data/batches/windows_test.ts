import assert from "node:assert/strict";
import { WholeOrder } from "../../../src/data/batches/window_order.ts";
import {
  countWindows,
  OrderedBatches,
  ShuffledBatches,
  windowTokens,
} from "../../../src/data/batches/windows.ts";
import { IGNORED_TARGET } from "../../../src/data/dataset.ts";
import { TokenFile, TokenWriter } from "../../../src/data/tokens/token_file.ts";
import { IGNORED_TARGET as GRAPH_TARGET } from "../../../src/graph/ops.ts";
import { draws, fc } from "../../_property.ts";
import { TempDir } from "../_helpers.ts";

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
  using tokens = await countingFiles(dir, [14]); // 3 windows of 4, and 1 token
  const batches = new OrderedBatches(tokens.all[0], {
    batchSize: 2,
    seqLen: 4,
  });
  assert.equal(batches.windows, 3);
  assert.equal(batches.batchesPerEpoch, 2);
  assert.equal(batches.tokensPerBatch, 8);
  assert.deepEqual(await batches.at(0), {
    ids: Uint32Array.of(0, 1, 2, 3, 4, 5, 6, 7),
    targets: Uint32Array.of(1, 2, 3, 4, 5, 6, 7, 8),
  });
  const none = IGNORED_TARGET;
  assert.deepEqual(await batches.at(1), {
    ids: Uint32Array.of(8, 9, 10, 11, 0, 0, 0, 0),
    targets: Uint32Array.of(9, 10, 11, 12, none, none, none, none),
  });
  assert.deepEqual(await batches.at(2), await batches.at(0));
});

Deno.test("at() rejects what is no position", async () => {
  await using dir = new TempDir();
  using tokens = await countingFiles(dir, [14]);
  const shape = { batchSize: 2, seqLen: 4 };
  for (
    const batches of [
      new OrderedBatches(tokens.all[0], shape),
      new ShuffledBatches(tokens.all, new WholeOrder([3], 1), shape),
    ]
  ) {
    for (const cursor of [-1, 0.5, NaN, 2 ** 53]) {
      await assert.rejects(batches.at(cursor), {
        name: "RangeError",
        message: `Cannot read batch ${cursor}`,
      });
    }
  }
});

Deno.test("ShuffledBatches.at() gives every token of an epoch once, however often it is interrupted", async () => {
  await using dir = new TempDir();
  const sizes = fc.record({
    // Windows of one to three sources, and tokens that make no window.
    windows: fc.array(fc.integer({ min: 0, max: 20 }), {
      minLength: 1,
      maxLength: 3,
    }),
    extra: fc.nat(5),
    batchSize: fc.integer({ min: 1, max: 7 }),
    seqLen: fc.integer({ min: 1, max: 6 }),
    seed: fc.maxSafeNat(),
    // After how many batches each process is killed.
    lives: fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 5 }),
  });
  await fc.assert(
    fc.asyncProperty(sizes, async (size) => {
      const { windows, batchSize, seqLen, seed, lives } = size;
      const total = windows.reduce((a, b) => a + b);
      fc.pre(total >= batchSize);
      const tokens = windows.map((count) =>
        count * seqLen + 1 + size.extra % seqLen
      );
      const epochs = 3, times = tokens.map((n) => new Uint8Array(n));
      let cursor = 0;
      for (let life = 0; cursor * batchSize < epochs * total; life++) {
        using files = await countingFiles(dir, tokens);
        const order = new WholeOrder(windows, seed);
        const shape = { batchSize, seqLen };
        const batches = new ShuffledBatches(files.all, order, shape);
        assert.equal(batches.batchesPerEpoch, total / batchSize);
        const until = cursor + (lives[life] ?? Infinity);
        for (
          ;
          cursor < until && cursor * batchSize < epochs * total;
          cursor++
        ) {
          const { ids, targets } = await batches.at(cursor);
          for (let at = 0; at < targets.length; at++) {
            const window = cursor * batchSize + Math.floor(at / seqLen);
            if (window >= epochs * total) break; // of the epoch after
            // The tokens count up, from 1000 on in the next source: a window
            // that crossed from one to another would skip some.
            assert.equal(targets[at], ids[at] + 1);
            times[Math.floor(targets[at] / 1000)][targets[at] % 1000]++;
          }
        }
      }
      for (const [source, counts] of times.entries()) {
        const used = windows[source] * seqLen;
        counts.forEach((count, token) => {
          // The first token of a source is no target.
          assert.equal(count, token > 0 && token <= used ? epochs : 0);
        });
      }
    }),
    { numRuns: draws(60) },
  );
});

Deno.test("ShuffledBatches.at() depends on seed and position alone", async () => {
  await using dir = new TempDir();
  using tokens = await countingFiles(dir, [401]);
  const shape = { batchSize: 3, seqLen: 4 };
  const open = (seed: number) =>
    new ShuffledBatches(tokens.all, new WholeOrder([100], seed), shape);
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
  using tokens = await countingFiles(dir, [401]); // 100 windows
  const batches = new ShuffledBatches(
    tokens.all,
    new WholeOrder([100], 1),
    { batchSize: 100, seqLen: 4 },
  );
  const first = await batches.at(0), second = await batches.at(1);
  assert.notDeepEqual(first, second);
  assert.deepEqual(first.ids.toSorted(), second.ids.toSorted());
  assert.notDeepEqual(first.ids, first.ids.toSorted());
});

Deno.test("at() rejects what is not a position", async () => {
  await using dir = new TempDir();
  using tokens = await countingFiles(dir, [9]);
  const shape = { batchSize: 1, seqLen: 4 };
  const order = new WholeOrder([2], 1);
  const batches = new ShuffledBatches(tokens.all, order, shape);
  for (const cursor of [-1, 0.5, NaN]) {
    await assert.rejects(() => batches.at(cursor), RangeError);
  }
});

/** The ids 0, 1, 2 … as a file; 1000, 1001 … as the next one. */
async function countingFiles(dir: TempDir, counts: number[]) {
  const all: TokenFile[] = [];
  for (const [i, count] of counts.entries()) {
    const path = `${dir.path}/counting-${i}.bin`;
    const writer = await TokenWriter.create(path, "u32");
    await writer.write(
      Uint32Array.from({ length: count }, (_, k) => 1000 * i + k),
    );
    await writer.finish();
    writer.close();
    all.push(new TokenFile(path, { tokens: count, dtype: "u32" }));
  }
  const close = () => all.forEach((file) => file.close());
  return { all, [Symbol.dispose]: close };
}

Deno.test("ShuffledBatches reads aside what it reads at once", async () => {
  await using dir = new TempDir();
  using tokens = await countingFiles(dir, [30, 42]); // 7 and 10 windows of 4
  const order = new WholeOrder([7, 10], 5);
  const batches = new ShuffledBatches(tokens.all, order, {
    batchSize: 3,
    seqLen: 4,
  });
  const cursors = [4, 0, 7, 5, 12, 6]; // of three epochs, begun together
  const asides = await Promise.all(
    cursors.map((cursor) => batches.at(cursor, { aside: true })),
  );
  for (const [i, cursor] of cursors.entries()) {
    assert.deepEqual(asides[i], await batches.at(cursor));
  }
});
