/**
 * Extends the completed run of twelve steps, trains one step of that and then
 * waits to be killed: `deno run _extend_until_killed.ts ROOT`.
 *
 * @module
 */

import { resumeRun } from "../../src/run/runner.ts";
import { EXTENSION, testEngine } from "./_helpers.ts";

const [root] = Deno.args;
const events = resumeRun({
  root,
  commandLine: ["hearth", "resume"],
  engine: testEngine,
  ...EXTENSION,
});
for await (const event of events) {
  if (event.kind !== "step") continue;
  console.log("ready");
  await new Promise((resolve) => setTimeout(resolve, 60_000));
}
