/**
 * Whatever is in the files of a run, no command that reads them breaks down.
 */

import assert from "node:assert/strict";
import { initialMeta } from "../../src/run/files/meta.ts";
import { metricLine } from "../../src/run/files/metrics.ts";
import { initialRunState } from "../../src/run/files/run_state.ts";
import { runPaths } from "../../src/run/files/run_paths.ts";
import { stepMetric } from "../run/_fake_run.ts";
import { twelveSteps } from "../run/_helpers.ts";
import { Workspace } from "./_workspace.ts";

const META = {
  ...initialMeta({ runId: "owl-1", config: twelveSteps, commandLine: [] }),
  dataset: { fingerprint: "a".repeat(64) },
  tokenizer: { type: "byte", vocabSize: 257, fingerprint: "b" },
  parameterCount: 1000,
  sessions: [{ startedAt: "2026-01-02T03:04:05.000Z" }],
};
const STATE = {
  ...initialRunState("owl-1", "stopped"),
  step: 3,
  totalSteps: 12,
  telemetry: { cpuPct: 1 },
};
const METRIC = stepMetric(1);

const WRONG = [null, true, -1, 0.5, "x\x1b[2J", [], {}, [null], undefined];

/** `value` with each of its fields made wrong, and as a whole. */
function* damaged(value: object): Generator<string> {
  for (const [name, field] of Object.entries(value)) {
    const isObject = typeof field === "object" && field !== null;
    for (const wrong of WRONG) {
      yield JSON.stringify({ ...value, [name]: wrong });
      if (isObject && !Array.isArray(field)) {
        for (const key of Object.keys(field)) {
          yield JSON.stringify({
            ...value,
            [name]: { ...field, [key]: wrong },
          });
        }
      }
    }
  }
  const text = JSON.stringify(value);
  yield* ["", text.slice(0, text.length >> 1), "\0".repeat(99), "[]", "7"];
}

/** Writes good runs `owl-1` and `fox-1`; returns the paths of the first. */
async function writeRuns(root: string) {
  for (const runId of ["owl-1", "fox-1"]) {
    const { dir, meta, state, metrics, log } = runPaths(root, runId);
    await Deno.mkdir(dir, { recursive: true });
    await Deno.writeTextFile(meta, JSON.stringify({ ...META, runId }));
    await Deno.writeTextFile(state, JSON.stringify({ ...STATE, runId }));
    await Deno.writeTextFile(metrics, metricLine(METRIC));
    await Deno.writeTextFile(log, "one\n");
  }
  return runPaths(root, "owl-1");
}

for (
  const [file, good, commands] of [
    ["state", STATE, ["status owl-1", "runs", "attach owl-1"]],
    ["meta", META, ["runs", "compare owl-1 fox-1"]],
    ["metrics", METRIC, ["compare owl-1 fox-1"]],
  ] as const
) {
  Deno.test(`commands survive damage to the ${file} of a run`, async () => {
    await using workspace = await Workspace.create();
    const paths = await writeRuns(workspace.root);
    for (const text of damaged(good)) {
      await Deno.writeTextFile(paths[file], text);
      for (const command of commands) {
        const { out, err } = await workspace.run(command.split(" "));
        assert.ok(
          !err.includes("Something went wrong") && !out.includes("\x1b"),
          `${command}: ${err}\n${text}`,
        );
      }
    }
  });
}
