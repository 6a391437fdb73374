import assert from "node:assert/strict";
import {
  mixParts,
  mixWeights,
  weightedSources,
} from "../../../src/data/sources/weights.ts";
import { userError } from "../_helpers.ts";

Deno.test.each(
  [
    ["wikitext-2", "wikitext-2", null],
    ["wikitext-2:0.7", "wikitext-2", 0.7],
    ["./notes:3", "./notes", 3],
    ["./notes:.5", "./notes", 0.5],
    ["hf:karpathy/tiny:default:text:2", "hf:karpathy/tiny:default:text", 2],
    ["hf:karpathy/tiny:default", "hf:karpathy/tiny:default", null],
    ["C:\\texts\\a.txt", "C:\\texts\\a.txt", null],
    ["https://host:8080", "https://host:8080", null],
    ["https://host:8080/a.txt", "https://host:8080/a.txt", null],
    ["https://host:8080/a.txt:0.5", "https://host:8080/a.txt", 0.5],
    ["a:1e3", "a:1e3", null],
    ["a:-1", "a:-1", null],
    [":2", ":2", null],
  ] as [string, string, number | null][],
)("weightedSources() reads %j", (text, source, weight) => {
  assert.deepEqual(weightedSources(text), [{ source, weight }]);
  assert.deepEqual(weightedSources([text]), [{ source, weight }]);
});

Deno.test("weightedSources() takes sources of a file as they are written", () => {
  assert.deepEqual(
    weightedSources([{ source: "a:1", weight: 2 }, { source: "b:2" }]),
    [{ source: "a:1", weight: 2 }, { source: "b:2", weight: null }],
  );
});

Deno.test("mixWeights() is null where no source has a weight", () => {
  const of = (...texts: string[]) => mixWeights(weightedSources(texts));
  assert.equal(of("a", "b"), null);
  assert.deepEqual(of("a:0.5", "b"), [0.5, 1]);
  assert.deepEqual(of("a:1"), [1]);
});

Deno.test("mixWeights() refuses shares that are next to nothing", async () => {
  const sources = weightedSources(["a:0", "b:1"]);
  const error = await userError(() => mixWeights(sources));
  assert.equal(
    error.message,
    'Cannot mix "a" with weight 0: its share is below 1 of 10000',
  );
  assert.equal(error.exitCode, 2);
});

Deno.test.each(
  [
    [[1], [1]],
    [[0.7, 0.3], [7, 3]],
    [[2, 2, 2], [1, 1, 1]],
    [[1, 2], [1, 2]],
    [[0.125, 0.375, 0.5], [1, 3, 4]],
    [[1, 9999], [1, 9999]],
  ] as [number[], number[]][],
)("mixParts() of %j are %j", (weights, parts) => {
  assert.deepEqual(mixParts(weights), parts);
});

Deno.test("mixParts() comes near to weights that no pattern has", () => {
  const parts = mixParts([Math.SQRT2, Math.PI, Math.E]);
  const sum = Math.SQRT2 + Math.PI + Math.E;
  assert.equal(parts.reduce((a, b) => a + b), 10_000);
  [Math.SQRT2, Math.PI, Math.E].forEach((weight, i) => {
    assert.ok(Math.abs(parts[i] - weight / sum * 10_000) < 1);
  });
});
