import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { PhiloxStream, STREAM } from "../../src/base/philox.ts";
import { readSnapshot } from "../../src/run/checkpoint_files.ts";
import { loadCheckpoint } from "../../src/run/checkpoint_list.ts";
import { inTempDir, snapshotAt } from "./_helpers.ts";

const KILLS = 12;
const SCRIPT = fileURLToPath(new URL("./_save_in_a_loop.ts", import.meta.url));

/** Lets the script save into `dir` for a while, then kills it. */
async function saveAndKill(dir: string, afterMs: number): Promise<void> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", "-A", SCRIPT, dir],
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
      // The first save is through after some milliseconds, here and there.
      await saveAndKill(dir, (kill === 0 ? 200 : 0) + random.below(60));
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
    assert.ok(lastStep > KILLS, `only ${lastStep} saves in all`);
  }));
