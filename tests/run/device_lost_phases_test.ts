/** A GPU that is lost ends the run with its cause, whatever it was doing. */

import assert from "node:assert/strict";
import { UserError } from "../../src/base/errors.ts";
import type { Engine } from "../../src/run/engine.ts";
import { resumeRun, startRun } from "../../src/run/runner.ts";
import { readRun } from "../../src/run/files/runs.ts";
import { train } from "../../src/train/loop.ts";
import { openFaultyGpu, strikeBefore } from "../backend/webgpu/_faulty_gpu.ts";
import { noAdapter as ignore } from "../backend/webgpu/_webgpu.ts";
import { openTestSession } from "../train/_helpers.ts";
import { collectRun, inTempDir, testEngine, twelveSteps } from "./_helpers.ts";

/** What the device is lost before, and what is left. */
const MOMENTS: Record<
  string,
  { call: string; nth: number; step: number; checkpoint: string | null }
> = {
  "before the first step": {
    ...{ call: "run firstMicroStep", nth: 1 },
    ...{ step: 0, checkpoint: null },
  },
  "in an evaluation": {
    ...{ call: "run eval", nth: 4 }, // two at the start, two after step 4
    ...{ step: 4, checkpoint: "step-00000003" },
  },
  "while a checkpoint is written": {
    ...{ call: "read m.wte", nth: 2 },
    ...{ step: 6, checkpoint: "step-00000003" },
  },
  "while the last checkpoint is written": {
    ...{ call: "read m.wte", nth: 4 },
    ...{ step: 12, checkpoint: "step-00000009" },
  },
};

for (
  const [moment, { call, nth, step, checkpoint }] of Object.entries(MOMENTS)
) {
  Deno.test(`a run whose GPU is lost ${moment} says so and can be resumed`, {
    ignore,
  }, () =>
    inTempDir(async (root) => {
      const { backend, device } = await openFaultyGpu();
      strikeBefore(backend, { call, nth }, () => device.destroy());
      let time = 0;
      const engine: Engine = {
        openSession: ({ config }) => openTestSession({ config, backend }),
        // On this clock a step takes seconds, so that each is looked at.
        train: (session, options) =>
          train(session, { ...options, now: () => time += 1000 }),
      };
      const commandLine = ["hearth", "train"];
      const options = { root, commandLine, config: twelveSteps, engine };
      const said: string[] = [];
      const run = async () => {
        for await (const event of startRun(options)) {
          if (event.kind === "warning") said.push(event.message);
        }
      };
      await assert.rejects(run(), (error) => {
        assert.ok(error instanceof UserError);
        assert.match(error.message, /Lost .*: device was lost$/);
        assert.match(error.hint, /^try again, or use --device cpu/);
        return true;
      });
      assert.ok(said.every((message) => !/goes on/.test(message)), `${said}`);
      const { state } = await readRun(root, "owl-1");
      assert.equal(state!.status, "failed");
      assert.match(state!.error!, /Lost .*: device was lost$/);
      assert.equal(state!.step, step);
      assert.equal(state!.lastCheckpoint, checkpoint);

      const events = await collectRun(
        resumeRun({ root, commandLine, engine: testEngine }),
      );
      const first = events.find(({ kind }) => kind === "step");
      const from = Number(checkpoint?.match(/\d+/)?.[0] ?? 0);
      assert.ok(first?.kind === "step" && first.step === from + 1);
      assert.equal((await readRun(root, "owl-1")).state!.status, "completed");
    }));
}
