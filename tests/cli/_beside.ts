import assert from "node:assert/strict";
import { FakeRun } from "../run/_fake_run.ts";
import type { FakeSettings, Outcome } from "./_fake_io.ts";
import { Workspace } from "./_workspace.ts";

/** What happens once a text has been printed, in this order. */
export type Script = [printed: string, then: (press: () => void) => unknown][];

/**
 * Runs a command line beside the run `owl-1`, which trains in another process
 * as far as the files tell, and which `script` lets change.
 */
export async function runBeside(
  argv: string[],
  { before = () => {}, script, ...settings }: FakeSettings & {
    before?: (run: FakeRun) => unknown;
    script: (run: FakeRun) => Script;
  },
): Promise<Outcome> {
  await using workspace = await Workspace.create();
  await using run = new FakeRun(workspace.root);
  await run.begin();
  await before(run);
  const steps = script(run);
  const done: unknown[] = [];
  const play = (text: string, press: () => void) => {
    if (steps.length === 0 || !text.includes(steps[0][0])) return;
    done.push(steps.shift()![1](press));
  };
  const outcome = await workspace.run(argv, {
    ...settings,
    onStdout: play,
    onStderr: play,
  });
  await Promise.all(done);
  assert.deepEqual(steps, [], outcome.out + outcome.err);
  return outcome;
}
