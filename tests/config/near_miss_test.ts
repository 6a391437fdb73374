import assert from "node:assert/strict";
import {
  editDistance,
  likelyNames,
  nearMiss,
} from "../../src/config/near_miss.ts";

Deno.test("editDistance() counts insertions, deletions, replacements and swaps", () => {
  assert.equal(editDistance("", "abc"), 3);
  assert.equal(editDistance("kitten", "sitting"), 3);
  assert.equal(editDistance("seqlen", "seqeln"), 1); // one swap
  assert.equal(editDistance("nhead", "nhead"), 0);
});

Deno.test("nearMiss() finds what was meant and nothing far-fetched", () => {
  const keys = ["nLayer", "nHead", "nKvHead", "nEmbd", "seqLen", "lr", "minLr"];
  assert.equal(nearMiss("nLayers", keys), "nLayer");
  assert.equal(nearMiss("n_embd", keys), "nEmbd");
  assert.equal(nearMiss("seq-length", keys), "seqLen");
  assert.equal(nearMiss("lt", keys), "lr");
  assert.equal(nearMiss("colour", keys), null);
  assert.equal(nearMiss("x", keys), null);
});

Deno.test("likelyNames() knows words of others, near misses and parts", () => {
  const flags = ["run-id", "steps", "lr", "n-layer", "lora-rank", "log-every"];
  const cases: [string, string[]][] = [
    ["n_layer", ["n-layer"]], // the same with another dash
    ["max_iters", ["steps"]], // what nanoGPT calls it
    ["setps", ["steps"]], // a typing mistake
    ["id", ["run-id"]], // one of its words
    ["layers", ["n-layer"]], // more than one of it
    ["log", ["log-every"]], // its beginning
    ["every-log", ["log-every"]], // in another order
    ["id-rank", []], // of two names
    ["colour", []],
  ];
  for (const [typed, expected] of cases) {
    assert.deepEqual([typed, likelyNames(typed, flags)], [typed, expected]);
  }
  // The one that has fewest words besides.
  const sizes = ["max-vocab-size", "vocab-size", "batch-size"];
  assert.deepEqual(likelyNames("size", sizes), ["vocab-size", "batch-size"]);
});
