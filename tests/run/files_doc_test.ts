import assert from "node:assert/strict";
import { runPaths } from "../../src/run/files/run_paths.ts";
import { startRun } from "../../src/run/runner.ts";
import { collectRun, inTempDir, testEngine, twelveSteps } from "./_helpers.ts";

const doc = await Deno.readTextFile(
  new URL("../../docs/files.md", import.meta.url),
);

/** Names in the first column of the table below a heading. */
function named(heading: string): string[] {
  const section = doc.split(/^#+ /m).find((text) => text.startsWith(heading));
  return [...section!.matchAll(/^\| (`.*?`) +\|/gm)]
    .flatMap(([, cell]) => [...cell.matchAll(/`([^`]+)`/g)])
    .map(([, name]) => name).sort();
}

const keys = (...values: object[]) =>
  [...new Set(values.flatMap(Object.keys))].sort();

Deno.test("docs/files.md names every field of every file, and no other", () =>
  inTempDir(async (root) => {
    const config = {
      ...twelveSteps,
      checkpoint: { ...twelveSteps.checkpoint, best: true },
    };
    const common = { root, commandLine: [], engine: testEngine };
    await collectRun(startRun({ ...common, config }));
    const { meta, state, metrics, checkpoints } = runPaths(root, "owl-1");
    const json = async (path: string) =>
      JSON.parse(await Deno.readTextFile(path));
    const rows = (await Deno.readTextFile(metrics)).trim().split("\n")
      .map((line) => JSON.parse(line));
    const checkpoint = `${checkpoints}/step-00000012`;
    const files = Array.from(Deno.readDirSync(checkpoint), ({ name }) => name);

    assert.deepEqual(named("meta.json"), keys(await json(meta)));
    assert.deepEqual(named("state.json"), keys(await json(state)));
    assert.deepEqual(named("metrics.jsonl"), keys(...rows));
    assert.deepEqual(named("Checkpoints"), files.sort());
    for (const name of ["manifest.json", "trainer.json"]) {
      assert.deepEqual(named(name), keys(await json(`${checkpoint}/${name}`)));
    }
  }));
