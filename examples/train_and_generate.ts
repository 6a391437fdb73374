/**
 * Trains on a text file, prints how the loss falls, and writes a text.
 *
 *     deno run -A examples/train_and_generate.ts poems.txt [ROOT] [STEPS]
 *
 * The run is an ordinary one: `hearth status`, `hearth resume` and the
 * dashboard know it, if they are given the same root.
 */

import { loadConfig, openModel, startRun } from "../mod.ts";

const [dataset, root = "example", steps = "500"] = Deno.args;
if (dataset === undefined) throw new Error("name a text file");

const config = await loadConfig({
  profile: "tiny",
  set: [
    `data.dataset=${JSON.stringify(dataset)}`,
    `train.steps=${steps}`,
    "tokenizer.type=byte", // needs no training, so small files do
  ],
});

let runId = "";
for await (const event of startRun({ root, config })) {
  switch (event.kind) {
    case "created":
      runId = event.runId;
      break;
    case "step":
      if (event.log) console.log(event.step, event.trainLoss.toFixed(3));
      break;
    case "eval":
      console.log(`step ${event.step}: val loss ${event.valLoss.toFixed(3)}`);
      break;
    case "warning":
      console.error(event.message);
  }
}

await using model = await openModel({ root, ref: runId });
const tokens = model.generate({ prompt: "The ", maxNewTokens: 100, seed: 1 });
let text = "";
for await (const token of tokens) text += token.text;
console.log(`The ${text}`);
