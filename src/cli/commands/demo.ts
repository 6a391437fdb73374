/**
 * `hearth demo`: the first thing to try. Trains the profile `demo` on the
 * built-in stories, draws the loss, and lets the model write.
 *
 * @module
 */

import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { EXIT } from "../../base/errors.ts";
import { exists } from "../../base/exists.ts";
import { safeText } from "../../base/safe_text.ts";
import type { RunEvent } from "../../run/run_event.ts";
import type { App } from "../app.ts";
import { examples } from "../flags/examples.ts";
import { countFlag } from "../flags/numbers.ts";
import { watchRun } from "../run/conduct_run.ts";
import type { RunOutcome } from "../run/run_outcome.ts";
import { StopSignal } from "../stop_signal.ts";

/** How the stories begin; the model has seen such names and words. */
const PROMPTS = ["Once upon a time", "One day", "Long ago"];
/** Where the chart and the stories stand on an 80-column terminal. */
const CHART = { columns: 76, rows: 16 };

/** Adds the command. */
export function addDemoCommand(program: CommandUnknownOpts, app: App): void {
  program.command("demo")
    .summary("train a small model on built-in stories and let it write")
    .description(
      "Train a small model on built-in stories, draw its loss and let it " +
        "write: one to three minutes on two CPU cores. Needs no network.",
    )
    .option(
      "--steps <n>",
      "optimizer steps, in place of the profile's",
      countFlag("--steps", 1),
    )
    .option("--threads <n>", "CPU threads", countFlag("--threads", 0))
    .addHelpText(
      "after",
      examples("hearth demo", "hearth demo --steps 100 --root /tmp/hearth"),
    )
    .action(async ({ steps, threads }) => {
      app.note("Training a small model on short stories. Ctrl+C stops it.");
      app.note();
      const curve: LossCurve = { train: [], val: [] };
      const outcome = await watchRun(app, async (options) => {
        const { loadConfig } = await import("../../config/load.ts");
        const { startRun } = await import("../../run/runner.ts");
        const setting = (path: string, value: number | undefined) =>
          value === undefined ? [] : [{ path, value, typed: "" }];
        const config = await loadConfig({
          profile: "demo",
          flags: [
            ...setting("train.steps", steps),
            ...setting("threads", threads),
          ],
        });
        const runId = await freeRunId(app.root);
        return plotted(startRun({ ...options, config, runId }), curve);
      });
      await finish(app, outcome, curve);
    });
}

/** Points of (step, loss). */
interface LossCurve {
  train: [number, number][];
  val: [number, number][];
}

/** Passes events on and keeps the losses. */
async function* plotted(
  events: AsyncIterable<RunEvent>,
  { train, val }: LossCurve,
): AsyncGenerator<RunEvent> {
  for await (const event of events) {
    if (event.kind === "step") train.push([event.step, event.trainLoss]);
    if (event.kind === "eval") val.push([event.step, event.valLoss]);
    yield event;
  }
}

async function finish(
  app: App,
  outcome: RunOutcome,
  { train, val }: LossCurve,
): Promise<void> {
  const { runId } = outcome;
  if (outcome.status === "stopped") {
    app.note(`stopped; go on with: ${app.io.program} resume ${runId}`);
    return;
  }
  if (app.json) return;
  const { renderChart } = await import("../../tui/charts/braille_chart.ts");
  app.print();
  app.print("How the loss fell (nats per token):");
  app.print();
  app.print(renderChart([
    { name: "trainLoss", points: train },
    { name: "valLoss", points: val, mark: "o" },
  ], { ...CHART, xName: "step" }));
  app.print();
  app.print("What the model writes:");
  await writeStories(app, runId);
  app.print();
  app.print("Try next:");
  const { program } = app.io;
  app.print(`  ${program} generate ${runId} --prompt "One day, a fox"`);
  app.print(`  ${program} train --profile tiny --dataset YOUR-TEXT.txt`);
  app.print(`  ${program} --help`);
}

async function writeStories(app: App, runId: string): Promise<void> {
  const { openModel } = await import("../../generate/open_model.ts");
  const { loadChosen } = await import(
    "../../run/checkpoints/checkpoint_ref.ts"
  );
  const { wrapText } = await import("../output/wrap_text.ts");
  using stop = new StopSignal(app, () => {});
  await using model = await openModel(await loadChosen(app.root, runId));
  for (const [i, prompt] of PROMPTS.entries()) {
    let text = prompt;
    const tokens = model.generate({
      prompt,
      seed: i,
      maxNewTokens: 200,
      temperature: 0.5,
      signal: stop.signal,
    });
    for await (const token of tokens) text += token.text;
    if (stop.signal.aborted) {
      app.exitCode = EXIT.stopped;
      return;
    }
    app.print();
    const story = wholeSentences(safeText(text.trim()));
    app.print(wrapText(story, { columns: CHART.columns, indent: "  " }));
  }
}

/** `text` without the sentence that the limit of tokens has cut off. */
export function wholeSentences(text: string): string {
  return /^.*[.!?]"?(?=\s|$)/s.exec(text)?.[0] ?? text;
}

/** `demo`, or `demo-2` and so on where that is taken. */
async function freeRunId(root: string): Promise<string> {
  const { runPaths } = await import("../../run/files/run_paths.ts");
  for (let number = 1;; number++) {
    const runId = number === 1 ? "demo" : `demo-${number}`;
    const { dir, checkpoints } = runPaths(root, runId);
    if (!await exists(dir) && !await exists(checkpoints)) return runId;
  }
}
