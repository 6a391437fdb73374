import assert from "node:assert/strict";
import * as hearth from "../../mod.ts";
import { Workspace } from "./_workspace.ts";

Deno.test("the library trains, resumes, lists and writes like the commands", async () => {
  await using workspace = await Workspace.create();
  const { root } = workspace;
  const config = await hearth.loadConfig({
    set: [
      `data.dataset=${workspace.path("text.txt")}`,
      ...["tokenizer.type=byte", "model.nLayer=1", "model.nEmbd=8"],
      ...["model.seqLen=8", "train.steps=4", "threads=1"],
    ],
  });
  const stop = new AbortController();
  const { signal } = stop;
  for await (const event of hearth.startRun({ root, config, signal })) {
    if (event.kind === "step" && event.step === 2) stop.abort();
  }
  const [stopped] = await hearth.listRuns(root);
  assert.equal(stopped.state?.status, "stopped");

  const kinds: string[] = [];
  for await (const event of hearth.resumeRun({ root })) kinds.push(event.kind);
  assert.equal(kinds.at(-1), "closed");
  const [completed] = await hearth.listRuns(root);
  assert.deepEqual(
    [completed.runId, completed.state?.status, completed.state?.step],
    ["owl-1", "completed", 4],
  );

  const seen: string[] = [];
  for await (
    const event of hearth.followRun(root, "owl-1", { metrics: "all" })
  ) {
    if (event.kind === "metrics") seen.push(`${event.metrics.at(-1)?.step}`);
    if (event.kind === "state") seen.push(event.state.status);
  }
  assert.deepEqual(seen, ["4", "completed"]);
  const output = `${root}/out`;
  const exported = { format: "hf", dtype: "f32", output } as const;
  await hearth.exportModel({ root, ref: "owl-1", ...exported });
  const copy = await hearth.importModel({
    root,
    folder: output,
    runId: "copy",
  });
  assert.equal(copy.checkpoint, "step-00000000");

  const { runs } = await hearth.compareRuns(root, ["owl-1"]);
  assert.equal(runs[0].step, 4);

  await using model = await hearth.openModel({ root, ref: "owl-1" });
  assert.equal(model.name, "owl-1/step-00000004");
  let text = "";
  const options = { prompt: "the", maxNewTokens: 6, seed: 1 };
  for await (const token of model.generate(options)) text += token.text;
  const command = await workspace.run([
    ...["generate", "--prompt", "the", "--max-new-tokens", "6", "--seed", "1"],
  ]);
  assert.equal(`the${text}\n`, command.out);

  // The same number as the run's own last evaluation, over all of its text.
  const { meta } = await hearth.readRun(root, "ow");
  assert.equal(meta?.config.train.steps, 4);
  const warnings: string[] = [];
  const evaluated = await hearth.evaluate({
    ...{ root, ref: "owl-1", onWarning: (text: string) => warnings.push(text) },
  });
  const json = await workspace.run(["eval", "owl-1", "--json"]);
  assert.equal(evaluated.valLoss, JSON.parse(json.out).valLoss);

  assert.equal(await hearth.stopRun(root, "owl-1"), null); // it has ended
  await assert.rejects(hearth.removeRun(root, "ow"), hearth.UserError);
  await hearth.removeRun(root, "owl-1");
  assert.deepEqual((await hearth.listRuns(root)).map((run) => run.runId), [
    "copy",
  ]);
});

Deno.test("the library throws a UserError for a wrong setting", async () => {
  await assert.rejects(
    hearth.loadConfig({ set: ["model.nHead=0"] }),
    (error) =>
      error instanceof hearth.UserError &&
      error.exitCode === hearth.EXIT.usage,
  );
});
