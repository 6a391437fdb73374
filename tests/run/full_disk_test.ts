import assert from "node:assert/strict";
import type { RunEvent } from "../../src/run/run_event.ts";
import { runPaths } from "../../src/run/files/run_paths.ts";
import { resumeRun, startRun } from "../../src/run/runner.ts";
import { readRun } from "../../src/run/files/runs.ts";
import { overview } from "./_checkpoints.ts";
import { openFaultyDisk, openSmallDisk } from "./_disks.ts";
import {
  collectRun,
  inTempDir,
  listTree,
  testEngine,
  twelveSteps,
} from "./_helpers.ts";
import { outcome } from "./_outcome.ts";

// Saves at 3, 6, 9 and 12, evaluates at 0, 4, 8 and 12.
const common = {
  config: twelveSteps,
  commandLine: ["hearth"],
  engine: testEngine,
};

function messages(events: readonly RunEvent[]): string[] {
  return events.flatMap((event) =>
    event.kind === "warning" && !event.replaces ? [event.message] : []
  );
}

const disks = [
  ["a small disk", openSmallDisk],
  ["a disk that refuses to write", openFaultyDisk],
] as const;

for (const [what, openDisk] of disks) {
  const ignore = openDisk === null;

  Deno.test({
    name: `a run on ${what} says how it ended though it stays full`,
    ignore,
    fn: () =>
      inTempDir(async (whole) => {
        await using disk = await openDisk!();
        const { root } = disk;
        const events: RunEvent[] = [];
        const run = collectRun(startRun({ ...common, root }), (event) => {
          events.push(event);
          if (event.kind === "step" && event.step === 5) disk.fill();
        });
        const error = await run.then(() => null, (error) => error);
        assert.match(
          error.message,
          /^(No room for|Cannot save the) checkpoint/,
        );

        // Each matter is one warning, told once.
        const { state, broken } = await readRun(root, "owl-1");
        assert.equal(broken, null);
        assert.deepEqual([state?.status, state?.step, state?.error], [
          "failed",
          12,
          error.message,
        ]);
        const told = messages(events).filter((text) => /save/.test(text));
        assert.equal(told.length, 1);
        assert.match(told[0], /^Cannot save the checkpoint of step 6: .*next/);
        const kept = state!.warnings.filter((text) => /save/.test(text));
        assert.equal(kept.length, 1);
        assert.match(
          kept[0],
          /^Cannot save the checkpoints of steps 6 to 9, 2 in a row: /,
        );
        const { dir, log, checkpoints } = runPaths(root, "owl-1");
        const lines = (await Deno.readTextFile(log)).trimEnd().split("\n");
        if (openDisk === openSmallDisk) { // the other has no room to give back
          assert.equal(lines.at(-1), `error: ${error.message}`);
        }

        // What was good is, nothing else is left, and the run goes on.
        assert.equal(await overview(checkpoints), "3=latest");
        const rest = [...await listTree(dir), ...await listTree(checkpoints)]
          .filter((path) => path.includes(".tmp") || path.startsWith("."));
        assert.deepEqual(rest, []);
        disk.empty();
        await collectRun(resumeRun({ ...common, root }));
        await collectRun(startRun({ ...common, root: whole }));
        assert.deepEqual(await outcome(root), await outcome(whole));
      }),
  });

  Deno.test({
    name: `a run on ${what} catches up once there is room again`,
    ignore,
    fn: () =>
      inTempDir(async (whole) => {
        await using disk = await openDisk!();
        const { root } = disk;
        const events = await collectRun(
          startRun({ ...common, root }),
          (event) => {
            if (event.kind !== "step") return;
            if (event.step === 5) disk.fill();
            if (event.step === 8) disk.empty();
          },
        );
        const saved = events.flatMap((event) =>
          event.kind === "checkpoint" ? [event.step] : []
        );
        assert.deepEqual(saved, [3, 9, 12]);
        await collectRun(startRun({ ...common, root: whole }));
        assert.deepEqual(await outcome(root), await outcome(whole));
        const log = await Deno.readTextFile(runPaths(root, "owl-1").log);
        for (const line of log.trimEnd().split("\n").slice(6)) {
          assert.match(line, /^(lr|eval|step|save|done|warning|run|device)/);
        }
      }),
  });
}

Deno.test({
  name: "a run on a small disk makes room for its last checkpoint",
  ignore: openSmallDisk === null,
  fn: () =>
    inTempDir(async (whole) => {
      await using disk = await openSmallDisk!();
      const { root } = disk;
      const events = await collectRun(
        startRun({ ...common, root }),
        (event) => {
          if (event.kind === "step" && event.step === 11) disk.fill();
        },
      );
      const removed = messages(events).filter((text) => /Remove/.test(text));
      assert.match(removed[0], /^Removed step-00000003.*: the disk has no/);
      assert.match(
        await overview(runPaths(root, "owl-1").checkpoints),
        /^(6 )?9 12=latest$/,
      );
      const { state } = await readRun(root, "owl-1");
      assert.deepEqual([state?.status, state?.error], ["completed", null]);
      await collectRun(startRun({ ...common, root: whole }));
      assert.deepEqual(await outcome(root), await outcome(whole));
    }),
});

Deno.test({
  name: "a read-only disk is told before anything is computed",
  ignore: openSmallDisk === null,
  fn: async () => {
    await using disk = await openSmallDisk!();
    const { root } = disk;
    const stop = new AbortController();
    await collectRun(
      startRun({ ...common, root, signal: stop.signal }),
      (event) => event.kind === "step" && event.step === 7 && stop.abort(),
    );
    await disk.setReadOnly(true);
    const refused = { message: /: the file system is read-only$/, exitCode: 2 };
    await assert.rejects(collectRun(resumeRun({ ...common, root })), refused);
    await assert.rejects(collectRun(startRun({ ...common, root })), refused);
    const { state, broken } = await readRun(root, "owl-1");
    assert.deepEqual([broken, state?.status, state?.step], [
      null,
      "stopped",
      7,
    ]);
    await disk.setReadOnly(false);
    await collectRun(resumeRun({ ...common, root }));
    assert.equal((await readRun(root, "owl-1")).state?.status, "completed");
  },
});

Deno.test("a disk that turns read-only leaves a run that can be resumed", () =>
  inTempDir(async (whole) => {
    await using disk = await openFaultyDisk("EROFS");
    const { root } = disk;
    const run = collectRun(startRun({ ...common, root }), (event) => {
      if (event.kind === "step" && event.step === 5) disk.fill();
    });
    await assert.rejects(run, {
      message: "Cannot save the checkpoint of step 12: the file system is " +
        "read-only",
    });
    const { checkpoints } = runPaths(root, "owl-1");
    assert.equal(await overview(checkpoints), "3=latest");
    disk.empty();
    await collectRun(resumeRun({ ...common, root }));
    await collectRun(startRun({ ...common, root: whole }));
    assert.deepEqual(await outcome(root), await outcome(whole));
  }));
