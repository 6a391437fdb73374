/** `hearth import`: a model from elsewhere. @module */

import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { formatApprox, formatBytes } from "../../base/format.ts";
import type { SharedFolder } from "../../data/disk/shared_folder.ts";
import type { HubModelName } from "../../data/hub/hub_model.ts";
import type { App } from "../app.ts";
import { examples } from "../flags/examples.ts";
import { countFlag } from "../flags/numbers.ts";
import { LiveLine } from "../output/live_line.ts";
import { formatStage } from "../output/progress_bar.ts";
import { StageLine } from "../output/stage_line.ts";
import { formatFields } from "../output/table.ts";
import { StopSignal } from "../stop_signal.ts";

/** Adds the command. */
export function addImportCommand(program: CommandUnknownOpts, app: App): void {
  program.command("import")
    .summary("take over a model from elsewhere")
    .description(
      "Take over a GPT-2 or Llama model from a Hugging Face folder or from " +
        "the hub, to generate, evaluate, export, or train it on.",
    )
    .argument(
      "<model>",
      "hf:OWNER/NAME[@REVISION], or a folder with config.json, " +
        "tokenizer.json and safetensors",
    )
    .option("--as <id>", "name of the run; default: a new one")
    .option(
      "--seq-len <n>",
      "a shorter context than the model's own",
      countFlag("--seq-len", 1),
    )
    .addHelpText(
      "after",
      examples(
        "hearth import hf:openai-community/gpt2 --as gpt2",
        "hearth import owl-1-hf --as owl-2",
      ),
    )
    .action(async (source, flags) => {
      const { importModel } = await import("../../export/import_model.ts");
      const { parseModelName } = await import("../../data/hub/hub_model.ts");
      using line = new LiveLine(app);
      using stop = new StopSignal(app, () => {});
      const model = parseModelName(source);
      await using downloaded = model === null
        ? null
        : await download(app, model, { line, signal: stop.signal });
      const imported = await importModel({
        root: app.root,
        folder: downloaded?.path ?? source,
        source,
        runId: flags.as,
        seqLen: flags.seqLen,
        commandLine: app.io.commandLine,
        signal: stop.signal,
        onProgress: (fraction) =>
          line.update((columns) => formatStage("reading", fraction, columns)),
      });
      // The checkpoint has it all; a refused one is there for another try.
      downloaded?.done();
      line[Symbol.dispose]();
      const { runId, checkpoint, config, sizeBytes } = imported;
      if (app.json) return app.printJson(imported);
      if (app.quiet) return app.print(runId);
      const { arch, nLayer, nHead, nEmbd, seqLen } = config;
      app.print(formatFields([
        ["run", `${runId}/${checkpoint}`],
        [
          "model",
          `${arch}, ${formatApprox(imported.parameterCount)} parameters ` +
          `(nLayer ${nLayer}, nHead ${nHead}, nEmbd ${nEmbd}, ` +
          `seqLen ${seqLen})`,
        ],
        ["size", formatBytes(sizeBytes)],
      ]));
      app.note();
      const { program } = app.io;
      app.note(`${program} generate ${runId} --prompt "Once upon a time"`);
      app.note(`${program} train --from ${runId} --dataset YOUR-TEXT.txt`);
    });
}

async function download(
  app: App,
  model: HubModelName,
  { line, signal }: { line: LiveLine; signal: AbortSignal },
): Promise<SharedFolder> {
  const { fetchHubModel } = await import("../../data/hub/hub_model.ts");
  const { describeProgress } = await import("../../data/progress.ts");
  const { checkModelConfig } = await import("../../export/model_folder.ts");
  const { rootPaths } = await import("../../run/files/run_paths.ts");
  const stages = new StageLine();
  return await fetchHubModel(model, {
    dataDir: rootPaths(app.root).data,
    check: checkModelConfig,
    onProgress: (progress) =>
      line.update(stages.render(describeProgress(progress))),
    onNotice: (message) => line.warn(message),
    signal,
  });
}
