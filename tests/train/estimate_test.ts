import assert from "node:assert/strict";
import { join } from "node:path";
import { UserError } from "../../src/base/errors.ts";
import { configSchema } from "../../src/config/schema.ts";
import { estimateRun, timeTrial } from "../../src/train/estimate.ts";
import { inTempDir } from "../base/_helpers.ts";

Deno.test("timeTrial() tells the time of a step, however many run in a row", async () => {
  let clockMs = 0, runs = 0;
  const stepMs = await timeTrial({
    steps: 16, // of 25 ms, once they are compiled
    run() {
      clockMs += runs++ === 0 ? 5000 : 400;
      return Promise.resolve();
    },
  }, { signal: new AbortController().signal, now: () => clockMs });
  assert.equal(stepMs, 25);
  assert.equal(runs, 4); // for 1.2 s
});

Deno.test("estimateRun() finds a tokenizer in its folder, as training does", () =>
  inTempDir(async (dir) => {
    const file = join(dir, "tokenizer.json");
    await Deno.copyFile("tests/fixtures/tokenizer/byte.json", file);
    const count = async (path: string) => {
      const config = configSchema.parse({ tokenizer: { type: "file", path } });
      return (await estimateRun(config)).parameterCount;
    };
    assert.equal(await count(dir), await count(file));
    await assert.rejects(count(join(dir, "none")), (error) => {
      assert.ok(error instanceof UserError);
      assert.equal(
        error.message,
        `Cannot read tokenizer "${join(dir, "none")}": no such file`,
      );
      return true;
    });
  }));
