import assert from "node:assert/strict";
import { inTempDir } from "../base/_helpers.ts";
import { crashTest, formatSummary } from "./crash.ts";

Deno.test("runs that are killed at random end with the bits of one that was not", () =>
  inTempDir(async (dir) => {
    const summary = await crashTest({ kills: 8, seed: 3, dir });
    assert.deepEqual(summary.failures, []);
    assert.equal(summary.kills, 8, formatSummary(summary));
    assert.ok(summary.completed > 0);
  }));
