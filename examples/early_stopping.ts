/**
 * A loop of one's own over the events: stops the run when the validation loss
 * has not fallen by at least 1 % for three evaluations, and says how it went.
 *
 *     deno run -A examples/early_stopping.ts poems.txt [ROOT] [STEPS]
 *
 * `train.earlyStopPatience` does the plain form of this. What you decide here can
 * be anything: a time of day, a message from a phone, the price of power.
 */

import { loadConfig, resumeRun, startRun } from "../mod.ts";

const [dataset, root = "example", steps = "5000"] = Deno.args;
if (dataset === undefined) throw new Error("name a text file");

const config = await loadConfig({
  profile: "tiny",
  set: [
    `data.dataset=${JSON.stringify(dataset)}`,
    ...["tokenizer.type=byte", `train.steps=${steps}`, "train.evalEvery=10"],
    ...["model.nLayer=1", "model.nEmbd=32", "model.seqLen=32"],
  ],
});

const stop = new AbortController();
let best = Infinity, sinceBest = 0, runId = "";
for await (
  const event of startRun({ root, config, signal: stop.signal })
) {
  if (event.kind === "created") runId = event.runId;
  if (event.kind !== "eval") continue;
  console.log(`step ${event.step}: val loss ${event.valLoss.toFixed(3)}`);
  if (event.valLoss < 0.99 * best) {
    best = event.valLoss;
    sinceBest = 0;
  } else if (++sinceBest === 3) {
    stop.abort(); // the step is finished, and a checkpoint saved
  }
}
console.log(stop.signal.aborted ? "stopped early" : "came to its end");

// Nothing is lost by it: a run goes on where it stopped, bit for bit.
for await (const event of resumeRun({ root, ref: runId, more: { steps: 5 } })) {
  if (event.kind === "done") console.log(`went on to step ${event.step}`);
}
