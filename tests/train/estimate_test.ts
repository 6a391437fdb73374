import assert from "node:assert/strict";
import { join } from "node:path";
import { UserError } from "../../src/base/errors.ts";
import { configSchema } from "../../src/config/schema.ts";
import { estimateRun, timeTrial, tryRun } from "../../src/train/estimate.ts";
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

Deno.test("tryRun() tries the batch that auto will take", async () => {
  const stepTokens = async (steps: number, dataset: string) => {
    const { stepMs, tokensPerSec } = await tryRun(
      configSchema.parse({
        device: "cpu",
        data: { dataset },
        tokenizer: { type: "byte" },
        model: { nLayer: 1, nHead: 1, nEmbd: 8, seqLen: 16 },
        train: { batchSize: "auto", gradAccumSteps: 2, steps },
      }),
      { signal: new AbortController().signal, now: clock() },
    );
    return Math.round(stepMs * tokensPerSec / 1000);
  };
  // A step is over when the clock is looked at a second time.
  const clock = (nowMs = 0) => () => nowMs += 2000;
  assert.equal(await stepTokens(5, "sample"), 2 * 4096);
  await inTempDir(async (dir) => {
    // 9000 bytes to train on are 562 windows of 16: 20 steps of 16.
    const file = join(dir, "short.txt");
    await Deno.writeTextFile(file, "one line\n".repeat(1111));
    assert.equal(await stepTokens(5, file), 2 * 16 * 16);
  });
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
