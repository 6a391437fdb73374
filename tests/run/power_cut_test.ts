/**
 * The power may be cut between any two calls that a run makes to the disk.
 *
 * @module
 */

import assert from "node:assert/strict";
import { readJson } from "../../src/base/json_file.ts";
import {
  listCheckpoints,
  loadCheckpoint,
  readPointer,
} from "../../src/run/checkpoints/checkpoint_list.ts";
import { runPaths } from "../../src/run/files/run_paths.ts";
import { startRun } from "../../src/run/runner.ts";
import { readSnapshot } from "./_snapshot.ts";
import {
  type Extreme,
  type Image,
  restoreImage,
  TracedDisk,
} from "./_traced_disk.ts";
import { collectRun, inTempDir, testEngine, twelveSteps } from "./_helpers.ts";
import { loadMetrics } from "./_load_metrics.ts";

// Saves at 2, 3 (best), 4, 6 (best) and 8, and prunes from the third on.
const config = {
  ...twelveSteps,
  train: { ...twelveSteps.train, steps: 8, evalEvery: 3 },
  checkpoint: { every: 2, keep: 1, best: true },
};

/** What a cut leaves, and the step of the last save that was reported. */
interface Cut {
  extreme: Extreme;
  image: Image;
  savedStep: number;
}

/** All images of a run that differ. */
async function cutsOf(root: string): Promise<Cut[]> {
  const cuts: Cut[] = [];
  const last: Partial<Record<Extreme, string>> = {};
  let savedStep = 0;
  const look = () => {
    for (const extreme of ["strict", "eager"] as const) {
      const image = disk.image(extreme);
      const key = [...image].map(([path, bytes]) => `${path} ${bytes?.length}`)
        .join("\n") + savedStep;
      if (last[extreme] === key) continue;
      last[extreme] = key;
      cuts.push({ extreme, image, savedStep });
    }
  };
  using disk = new TracedDisk(root, look);
  const common = { commandLine: ["hearth"], engine: testEngine };
  await collectRun(startRun({ ...common, root, config }), (event) => {
    if (event.kind !== "checkpoint") return;
    savedStep = event.step;
    look();
  });
  return cuts;
}

async function check({ savedStep }: Cut, root: string): Promise<void> {
  const paths = runPaths(root, "owl-1");

  // 1. Files are as they were written, or not there.
  await readJson(paths.state);
  await readJson(paths.meta);
  for (const { dir } of await listCheckpoints(paths.checkpoints)) {
    await readSnapshot(dir);
  }
  if (savedStep === 0) return;

  // 2. What was reported as saved is there, and so is what led to it.
  const latest = await loadCheckpoint(paths.checkpoints, {
    read: readSnapshot,
  });
  assert.deepEqual(latest.warnings, []);
  const { step, bestStep } = latest.content.trainer;
  assert.ok(step >= savedStep, `step ${step} is left of ${savedStep}`);
  const best = await readPointer(paths.checkpoints, "best");
  if (best !== null) {
    await loadCheckpoint(paths.checkpoints, {
      choice: "best",
      read: readSnapshot,
    });
  } else assert.ok(bestStep === null || step < 3 || step === bestStep);
  const rows = await loadMetrics(paths.metrics);
  const steps = rows.flatMap((row) => row.kind === "step" ? [row.step] : []);
  assert.deepEqual(
    steps.slice(0, step),
    Array.from({ length: step }, (_, i) => i + 1),
  );
}

Deno.test({
  name: "whenever the power is cut, the last reported checkpoint is there",
  ignore: Deno.build.os === "windows", // it can sync no directory
  fn: () =>
    inTempDir(async (dir) => {
      const root = `${dir}/root`;
      await Deno.mkdir(root);
      const cuts = await cutsOf(root);
      assert.ok(cuts.length > 100, `${cuts.length} cuts`);
      for (const [i, cut] of cuts.entries()) {
        const left = `${dir}/left`;
        await Deno.mkdir(left);
        restoreImage(cut.image, left);
        try {
          await check(cut, left);
        } catch (error) {
          const what = `${cut.extreme} cut ${i} of ${cuts.length}`;
          throw new Error(`${what}: ${error}\n${[...cut.image.keys()]}`);
        }
        await Deno.remove(left, { recursive: true });
      }
    }),
});
