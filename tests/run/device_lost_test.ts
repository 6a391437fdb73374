/** A GPU that fails in the middle ends the run with its cause, and its saves. */

import assert from "node:assert/strict";
import { UserError } from "../../src/base/errors.ts";
import type { Engine } from "../../src/run/engine.ts";
import { resumeRun, startRun } from "../../src/run/runner.ts";
import { readRun } from "../../src/run/files/runs.ts";
import { train } from "../../src/train/loop.ts";
import { FAULTS, openFaultyGpu } from "../backend/webgpu/_faulty_gpu.ts";
import { noAdapter as ignore } from "../backend/webgpu/_webgpu.ts";
import { openTestSession } from "../train/_helpers.ts";
import { collectRun, inTempDir, testEngine, twelveSteps } from "./_helpers.ts";

for (const [name, { strike, message }] of Object.entries(FAULTS)) {
  Deno.test(`a run whose GPU ${name} says so and can go on elsewhere`, {
    ignore,
  }, () =>
    inTempDir(async (root) => {
      const { backend, device } = await openFaultyGpu();
      let time = 0;
      const engine: Engine = {
        openSession: ({ config }) => openTestSession({ config, backend }),
        // On this clock a step takes seconds, so that each is looked at.
        train: (session, options) =>
          train(session, { ...options, now: () => time += 1000 }),
      };
      const commandLine = ["hearth", "train"];
      const options = { root, commandLine, config: twelveSteps, engine };
      let steps = 0;
      const failed = collectRun(startRun(options), (event) => {
        if (event.kind !== "step") return;
        steps = event.step;
        if (steps === 7) strike(device);
      });
      await assert.rejects(failed, (error) => {
        assert.ok(error instanceof UserError);
        const [, said] = error.message.match(/^Stopped after step 7: (.*)$/s)!;
        assert.match(said, message);
        assert.match(error.hint, /the last checkpoint is step-00000006$/);
        return true;
      });
      // No step is told of that the device has not made.
      assert.equal(steps, 7);
      const { state } = await readRun(root, "owl-1");
      assert.equal(state!.status, "failed");
      assert.match(state!.error!, /^Stopped after step 7: /);
      assert.equal(state!.lastCheckpoint, "step-00000006");

      const events = await collectRun(
        resumeRun({ root, commandLine, engine: testEngine }),
      );
      const first = events.find(({ kind }) => kind === "step");
      assert.ok(first?.kind === "step" && first.step === 7);
      assert.equal((await readRun(root, "owl-1")).state!.status, "completed");
    }));
}
