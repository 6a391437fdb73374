import assert from "node:assert/strict";
import {
  type BatchBounds,
  chooseBatchSize,
  describeBatch,
} from "../../src/train/auto_batch.ts";

/** 1 GB for parameters, 100 MB a sequence, of which the largest tensor 30. */
const bounds: BatchBounds = {
  seqLen: 256,
  bytesOf: (batchSize) => ({
    total: 1e9 + 1e8 * batchSize,
    largest: 3e7 * batchSize,
  }),
  memoryBytes: 80e9,
  tensorBytes: null,
  windows: 1e6,
  isGpu: true,
};

for (
  const [what, change, expected] of [
    // 128 * 256 tokens.
    ["keeps a GPU busy", {}, { batchSize: 128, reason: "busy" }],
    // 16 * 256 tokens.
    ["keeps a CPU busy", { isGpu: false }, { batchSize: 16, reason: "busy" }],
    // 0.8 * 10 GB hold 1 GB and 70 sequences.
    ["fits memory", { memoryBytes: 10e9 }, {
      batchSize: 64,
      reason: "memory",
    }],
    ["has no more room than it may use", { memoryBytes: 9.2e9 }, {
      batchSize: 32,
      reason: "memory",
    }],
    // 0.8 * 2 GB hold 1 GB and 6 sequences.
    ["is careful where nobody tells", { memoryBytes: null }, {
      batchSize: 4,
      reason: "memory",
    }],
    // 71 sequences make a tensor of 2.14 GB.
    ["fits the largest tensor", { tensorBytes: 2.147e9 }, {
      batchSize: 64,
      reason: "memory",
    }],
    // 20 batches of 32 are 640 sequences.
    ["leaves steps in an epoch", { windows: 700 }, {
      batchSize: 32,
      reason: "data",
    }],
    ["is 1 for very little data", { windows: 3 }, {
      batchSize: 1,
      reason: "data",
    }],
    ["is 1 for a model that does not fit", { memoryBytes: 1e8 }, {
      batchSize: 1,
      reason: "memory",
    }],
    ["is 1 for sequences longer than that", { seqLen: 1 << 17 }, {
      batchSize: 1,
      reason: "busy",
    }],
  ] as const
) {
  Deno.test(`chooseBatchSize() ${what}`, () => {
    assert.deepEqual(chooseBatchSize({ ...bounds, ...change }), expected);
  });
}

Deno.test("describeBatch() says why there are not more", () => {
  assert.equal(
    describeBatch({ batchSize: 16, reason: "memory" }),
    "Batch size auto is 16: more might not fit its memory",
  );
});
