/**
 * Writes one text for each line of a file of prompts, as JSON Lines.
 *
 *     deno run -A examples/batch_generate.ts RUN prompts.txt [ROOT] [TOKENS]
 *
 * RUN is anything that names a checkpoint: a run, `RUN/best`, `RUN/500`,
 * `latest`, or a path. The model is opened once.
 */

import { openModel, UserError } from "../mod.ts";

const [ref, file, root = ".", maxNewTokens = "50"] = Deno.args;
if (file === undefined) throw new Error("name a run and a file of prompts");

try {
  const prompts = (await Deno.readTextFile(file)).split("\n").filter(Boolean);
  await using model = await openModel({ root, ref, device: "cpu" });
  for (const [seed, prompt] of prompts.entries()) {
    let text = "";
    const options = { prompt, seed, maxNewTokens: Number(maxNewTokens) };
    for await (const token of model.generate(options)) text += token.text;
    console.log(JSON.stringify({ model: model.name, seed, prompt, text }));
  }
} catch (error) {
  if (!(error instanceof UserError)) throw error;
  // What a person can put right comes with the next thing to do.
  console.error(`${error.message}\nhint: ${error.hint}`);
  Deno.exitCode = error.exitCode;
}
