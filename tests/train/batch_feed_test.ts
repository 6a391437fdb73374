import assert from "node:assert/strict";
import type { Batch, Batches } from "../../src/data/dataset.ts";
import { BatchFeed } from "../../src/train/batch_feed.ts";
import type { TrainEvent } from "../../src/train/events.ts";
import { collect, only, openTestSession, tinyConfig } from "./_helpers.ts";

/** Batches that hold their position, and note in which order they are made. */
function fakeBatches({ fails = -1 }: { fails?: number } = {}) {
  const made: number[] = [];
  const batches = {
    at(cursor: number): Promise<Batch> {
      made.push(cursor);
      if (cursor === fails) return Promise.reject(new Error("disk is gone"));
      const ids = Uint32Array.of(cursor);
      return Promise.resolve({ ids, targets: ids });
    },
  } as Batches;
  return { batches, made };
}

const position = ({ ids }: Batch) => ids[0];

Deno.test("BatchFeed makes each batch once, ahead of its time", async () => {
  const { batches, made } = fakeBatches();
  const feed = new BatchFeed(batches, { ahead: 2, batchSize: 8 });
  assert.equal(position(await feed.take(5)), 5);
  await feed.makeAhead(6);
  assert.deepEqual(made, [5, 6, 7]);
  assert.equal(position(await feed.take(6)), 6);
  await feed.makeAhead(7);
  assert.deepEqual(made, [5, 6, 7, 8]);
  assert.equal(position(await feed.take(7)), 7);
  assert.equal(position(await feed.take(8)), 8);
  assert.equal(position(await feed.take(9)), 9);
  assert.deepEqual(made, [5, 6, 7, 8, 9]);
});

Deno.test("BatchFeed makes nothing ahead when told so", async () => {
  const { batches, made } = fakeBatches();
  const feed = new BatchFeed(batches, { ahead: 0, batchSize: 8 });
  await feed.take(0);
  await feed.makeAhead(1);
  assert.deepEqual(made, [0]);
});

Deno.test("BatchFeed drops what is not wanted", async () => {
  const { batches, made } = fakeBatches();
  const feed = new BatchFeed(batches, { ahead: 2, batchSize: 8 });
  await feed.makeAhead(3);
  // A step that was stopped in the middle is repeated from its beginning.
  assert.equal(position(await feed.take(2)), 2);
  assert.equal(position(await feed.take(3)), 3);
  assert.deepEqual(made, [3, 4, 2, 3]);
});

Deno.test("BatchFeed fails where the batch is taken", async () => {
  const { batches } = fakeBatches({ fails: 1 });
  const feed = new BatchFeed(batches, { ahead: 1, batchSize: 8 });
  await feed.take(0);
  await feed.makeAhead(1);
  await assert.rejects(feed.take(1), /disk is gone/);
});

/** Batches that take 7 ms each, and then `answerMs` for the device's answer. */
async function waitedMs(
  { steps, answerMs, ahead = false }: {
    steps: number;
    answerMs: number;
    ahead?: boolean;
  },
): Promise<number> {
  let nowMs = 0;
  const ids = Uint32Array.of(0);
  const batches = {
    at() {
      nowMs += 7;
      return Promise.resolve({ ids, targets: ids });
    },
  } as unknown as Batches;
  const feed = new BatchFeed(batches, {
    ...{ ahead: 1, batchSize: 8, now: () => nowMs },
  });
  for (let step = 0; step < steps; step++) {
    if (ahead) await feed.makeAhead(step);
    await feed.take(step);
  }
  await feed.settle(steps, () => Promise.resolve(nowMs += answerMs));
  const waited = feed.takeWaitedMs();
  assert.equal(feed.takeWaitedMs(), 0);
  return waited;
}

Deno.test("BatchFeed adds up the time that the device waits", async () => {
  assert.equal(await waitedMs({ steps: 2, answerMs: 0 }), 14);
  assert.equal(await waitedMs({ steps: 2, answerMs: 0, ahead: true }), 0);
  // It was at work for 2 of the 7 ms, in each step.
  assert.equal(await waitedMs({ steps: 3, answerMs: 2 }), 15);
  // It was still at work on the second when the third was there.
  assert.equal(await waitedMs({ steps: 3, answerMs: 20 }), 0);
});

/** Notes which batches are made aside, of those that take so long at once. */
function timedBatches({ batchSize }: { batchSize: number }) {
  let nowMs = 0;
  const asides: boolean[] = [];
  const ids = Uint32Array.of(0);
  let readMs = 0;
  const batches = {
    at(_: number, { aside = false }: { aside?: boolean } = {}) {
      asides.push(aside);
      if (!aside) nowMs += readMs;
      return Promise.resolve({ ids, targets: ids });
    },
  } as unknown as Batches;
  const feed = new BatchFeed(batches, {
    ...{ ahead: 1, batchSize, now: () => nowMs },
  });
  let cursor = 0;
  return async (times: number, ms: number) => {
    readMs = ms;
    for (const end = cursor + times; cursor < end; cursor++) {
      await feed.makeAhead(cursor);
      await feed.take(cursor);
    }
    return asides.splice(0);
  };
}

const asideForLong = new Array(64).fill(true);

Deno.test("BatchFeed makes batches aside while the disk is slow", async () => {
  const make = timedBatches({ batchSize: 8 });
  assert.deepEqual(await make(3, 5), [false, false, false]);
  assert.deepEqual(await make(131, 6), [
    ...[false, false, ...asideForLong],
    ...[false, ...asideForLong],
  ]);
  assert.deepEqual(await make(3, 1), [false, false, false]);
});

Deno.test("BatchFeed takes no single slow batch for a slow disk", async () => {
  const make = timedBatches({ batchSize: 8 });
  for (let i = 0; i < 3; i++) {
    assert.deepEqual(await make(1, 100), [false]);
    assert.deepEqual(await make(2, 1), [false, false]);
  }
});

Deno.test("BatchFeed expects more time of batches of many windows", async () => {
  const make = timedBatches({ batchSize: 1000 });
  assert.deepEqual(await make(3, 100), [false, false, false]);
  assert.deepEqual(await make(4, 101), [false, false, true, true]);
});

Deno.test("BatchFeed makes batches aside in turn, none after its end", async () => {
  let nowMs = 0;
  const begun: number[] = [];
  const aside: PromiseWithResolvers<Batch>[] = [];
  const ids = Uint32Array.of(0);
  const batches = {
    at(cursor: number, options: { aside?: boolean } = {}) {
      begun.push(cursor);
      nowMs += 6;
      if (!options.aside) return Promise.resolve({ ids, targets: ids });
      aside.push(Promise.withResolvers());
      return aside.at(-1)!.promise;
    },
  } as unknown as Batches;
  const feed = new BatchFeed(batches, {
    ...{ ahead: 6, batchSize: 8, now: () => nowMs },
  });
  const turns = async () => {
    for (let i = 0; i < 20; i++) await null;
  };
  await feed.makeAhead(0); // two at once, and four aside
  await turns();
  assert.deepEqual(begun, [0, 1, 2]);
  aside[0].reject(new Error("disk is gone"));
  await turns();
  assert.deepEqual(begun, [0, 1, 2, 3]);
  let hasEnded = false;
  const ended = feed.end().then(() => hasEnded = true);
  await turns();
  assert.equal(hasEnded, false);
  aside[1].resolve({ ids, targets: ids });
  await ended;
  await feed.makeAhead(7);
  assert.deepEqual(begun, [0, 1, 2, 3]);
});

Deno.test("BatchFeed ends when nothing is being made", async () => {
  const making: PromiseWithResolvers<Batch>[] = [];
  const batches = {
    at() {
      making.push(Promise.withResolvers());
      return making.at(-1)!.promise;
    },
  } as unknown as Batches;
  const feed = new BatchFeed(batches, { ahead: 2, batchSize: 8 });
  await feed.makeAhead(5);
  const taking = feed.take(0); // not what was made ahead: that is dropped
  const order: string[] = [];
  const ended = feed.end().then(() => order.push("ended"));
  making[0].reject(new Error("disk is gone"));
  for (let i = 0; i < 10; i++) await null;
  order.push("made");
  const ids = Uint32Array.of(0);
  for (const { resolve } of making) resolve({ ids, targets: ids });
  await taking;
  await ended;
  assert.deepEqual(order, ["made", "ended"]);
});

Deno.test("train() gives the same bits however many batches are made ahead", async () => {
  const losses = (events: readonly TrainEvent[]) =>
    only(events, "step").map(({ trainLoss }) => trainLoss);
  const run = async (prefetchBatches: number) => {
    const train = {
      steps: 4,
      gradAccumSteps: 3,
      evalEvery: 2,
      prefetchBatches,
    };
    const session = await openTestSession({ config: tinyConfig({ train }) });
    const events = await collect(session);
    return { losses: losses(events), ...await session.snapshot() };
  };
  const plain = await run(0), ahead = await run(5);
  assert.equal(plain.losses.length, 4);
  assert.deepEqual(ahead.losses, plain.losses);
  assert.deepEqual(ahead.params, plain.params);
  assert.equal(ahead.trainer.cursor, plain.trainer.cursor);
});
