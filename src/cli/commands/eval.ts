/** `hearth eval`: the loss of a trained model on a text. @module */

import { type CommandUnknownOpts, Option } from "@commander-js/extra-typings";
import { formatCount } from "../../base/format.ts";
import type { App } from "../app.ts";
import { examples } from "../flags/examples.ts";
import { MODEL_ARGUMENT } from "../flags/model_argument.ts";
import { countFlag } from "../flags/numbers.ts";
import { LiveLine } from "../output/live_line.ts";
import { formatStage } from "../output/progress_bar.ts";
import { formatFields } from "../output/table.ts";
import { StopSignal } from "../stop_signal.ts";

/** Adds the command. */
export function addEvalCommand(program: CommandUnknownOpts, app: App): void {
  program.command("eval")
    .summary("measure a trained model on a text")
    .description(
      "Measure loss, perplexity and bits per byte of a trained model: on all " +
        "of its own validation text, or on another text.",
    )
    .argument("[run]", MODEL_ARGUMENT, "latest")
    .option("--dataset <source>", "another text: a file, a folder or a glob")
    .option("--batches <n>", "use only this many", countFlag("--batches", 1))
    .option("--device <device>", "auto, cpu, gpu … (default: auto)")
    .option("--strict-device", "fail when that device is not there")
    .addOption(new Option("--no-strict-device").hideHelp())
    .option("--threads <n>", "CPU threads", countFlag("--threads", 0))
    .addHelpText(
      "after",
      examples("hearth eval best", "hearth eval owl-1 --dataset poems.txt"),
    )
    .action(async (ref, flags) => {
      const { evaluateCheckpoint } = await import(
        "../checkpoint/eval_checkpoint.ts"
      );
      using line = new LiveLine(app);
      using stop = new StopSignal(app, () => {});
      const { signal } = stop;
      const host = {
        root: app.root,
        warn: (message: string) => line.warn(message),
        note: (message: string) => line.print(message),
      };
      const result = await evaluateCheckpoint(host, ref, {
        ...flags,
        signal,
        onStage: (stage, fraction) =>
          line.update((columns) => formatStage(stage, fraction, columns)),
      });
      line[Symbol.dispose]();
      if (app.json) return app.printJson(result);
      app.print(formatFields([
        ["checkpoint", `${result.runId}/${result.checkpoint}`],
        ["text", result.dataset],
        ["valLoss", `${result.valLoss.toFixed(4)} nats per token`],
        ["perplexity", result.perplexity.toFixed(2)],
        ["valBpb", `${result.valBpb.toFixed(4)} bits per byte`],
        ["tokens", formatCount(result.tokens)],
        ...result.sources.map(({ name, valLoss, valBpb }): [string, string] => [
          name,
          `${valLoss.toFixed(4)} nats per token, ` +
          `${valBpb.toFixed(4)} bits per byte`,
        ]),
      ]));
    });
}
