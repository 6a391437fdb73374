import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { PhiloxStream, STREAM } from "../../src/base/philox.ts";
import { loadCheckpoint } from "../../src/run/checkpoints/checkpoint_list.ts";
import { resumeRun, startRun } from "../../src/run/runner.ts";
import { readRun } from "../../src/run/files/runs.ts";
import {
  collectRun,
  EXTENSION,
  inTempDir,
  snapshotAt,
  testEngine,
  twelveSteps,
} from "./_helpers.ts";
import { readSnapshot } from "./_snapshot.ts";

const KILLS = 12;

/** Starts a script, waits until it says "ready" and a while longer, kills. */
async function runAndKill(
  script: string,
  dir: string,
  { afterMs = 0 } = {},
): Promise<void> {
  const path = fileURLToPath(new URL(script, import.meta.url));
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", "-A", path, dir],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const reader = child.stdout.getReader();
  const { value } = await reader.read();
  assert.equal(new TextDecoder().decode(value), "ready\n");
  await new Promise((resolve) => setTimeout(resolve, afterMs));
  child.kill("SIGKILL");
  await reader.cancel();
  await child.status;
}

Deno.test("latest loads without a warning whenever a save is killed", () =>
  inTempDir(async (root) => {
    const dir = `${root}/owl-1`;
    const random = new PhiloxStream(1, STREAM.sampling);
    let lastStep = 0;
    for (let kill = 0; kill < KILLS; kill++) {
      const afterMs = random.below(30); // a save takes about ten
      await runAndKill("./_save_in_a_loop.ts", dir, { afterMs });
      for (const choice of ["latest", "best"]) {
        const { content, warnings } = await loadCheckpoint(dir, {
          choice,
          read: readSnapshot,
        });
        const { step } = content.trainer;
        assert.deepEqual(content, snapshotAt(step, 25_000));
        assert.deepEqual(warnings, []);
        if (choice === "latest") {
          assert.ok(step >= lastStep, `${step} after ${lastStep}`);
          lastStep = step;
        }
      }
    }
    assert.ok(lastStep >= 3 * KILLS, `only ${lastStep} saves in all`);
  }));

Deno.test("a killed process leaves a run that is interrupted and resumes", () =>
  inTempDir(async (root) => {
    await runAndKill("./_train_until_killed.ts", `${root}/parts`);
    const { state } = await readRun(`${root}/parts`, "owl-1");
    assert.deepEqual([state?.status, state?.alive], ["interrupted", false]);

    const common = { config: twelveSteps, commandLine: [], engine: testEngine };
    await collectRun(resumeRun({ ...common, root: `${root}/parts` }));
    await collectRun(startRun({ ...common, root: `${root}/whole` }));
    const model = (part: string) =>
      Deno.readFile(
        `${root}/${part}/checkpoints/owl-1/step-00000012/model.safetensors`,
      );
    assert.deepEqual(await model("parts"), await model("whole"));
  }));

Deno.test("a process killed before the first save of an extension goes on with it", () =>
  inTempDir(async (root) => {
    const common = { config: twelveSteps, commandLine: [], engine: testEngine };
    const [parts, whole] = [`${root}/parts`, `${root}/whole`];
    for (const part of [parts, whole]) {
      await collectRun(startRun({ ...common, root: part }));
    }
    await runAndKill("./_extend_until_killed.ts", parts);
    const { state } = await readRun(parts, "owl-1");
    assert.deepEqual([state?.status, state?.lastCheckpoint], [
      "interrupted",
      "step-00000012",
    ]);

    await collectRun(resumeRun({ ...common, root: parts }));
    await collectRun(resumeRun({ ...common, root: whole, ...EXTENSION }));
    const model = (part: string) =>
      Deno.readFile(
        `${part}/checkpoints/owl-1/step-00000017/model.safetensors`,
      );
    assert.deepEqual(await model(parts), await model(whole));
  }));
