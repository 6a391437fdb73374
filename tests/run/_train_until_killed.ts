/**
 * Trains a run up to its eighth step and then waits to be killed:
 * `deno run _train_until_killed.ts ROOT`.
 *
 * @module
 */

import { startRun } from "../../src/run/runner.ts";
import { testEngine, twelveSteps } from "./_helpers.ts";

const [root] = Deno.args;
const events = startRun({
  root,
  config: twelveSteps,
  commandLine: ["hearth", "train"],
  engine: testEngine,
});
for await (const event of events) {
  if (event.kind !== "step" || event.step < 8) continue;
  console.log("ready");
  await new Promise((resolve) => setTimeout(resolve, 60_000));
}
