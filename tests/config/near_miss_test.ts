import assert from "node:assert/strict";
import { editDistance, nearMiss } from "../../src/config/near_miss.ts";

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
