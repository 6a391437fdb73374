/** `hearth export`: a trained model for other programs. @module */

import { type CommandUnknownOpts, Option } from "@commander-js/extra-typings";
import { formatBytes } from "../../base/format.ts";
import type { App } from "../app.ts";
import { examples } from "../flags/examples.ts";
import { MODEL_ARGUMENT } from "../flags/model_argument.ts";
import { LiveLine } from "../output/live_line.ts";
import { formatStage } from "../output/progress_bar.ts";
import { formatFields } from "../output/table.ts";
import { StopSignal } from "../stop_signal.ts";

/** Adds the command. */
export function addExportCommand(program: CommandUnknownOpts, app: App): void {
  program.command("export")
    .summary("write a trained model for other programs")
    .description(
      "Write a trained model for other programs. hf: a folder that Hugging " +
        "Face's transformers load; safetensors: the weights alone; gguf: one " +
        "file for llama.cpp and what is built on it; bundle: one executable " +
        "that writes text with this model, and needs nothing else. A run with " +
        "LoRA adapters is written merged; peft: a folder with these alone.",
    )
    .argument("[run]", MODEL_ARGUMENT, "latest")
    .addOption(
      new Option("--format <name>", "hf, safetensors, gguf, bundle or peft")
        .choices(["hf", "safetensors", "gguf", "bundle", "peft"] as const)
        .default("hf" as const),
    )
    .addOption(
      new Option("--dtype <name>", "f32, f16, bf16; for gguf also q8_0")
        .choices(["f32", "f16", "bf16", "q8_0"] as const)
        .default("f32" as const),
    )
    .option(
      "--checkpoint <which>",
      "best, latest, or the number of a step (default: latest)",
    )
    .option("--output <path>", "file or folder; default: named after the run")
    .option("--force", "replace what lies there")
    .addHelpText(
      "after",
      examples(
        "hearth export owl-1 --format gguf --dtype q8_0",
        "hearth export owl-1 --checkpoint best --format bundle",
      ),
    )
    .action(async (ref, { format, dtype, checkpoint, output, force }) => {
      const { defaultOutput, exportModel } = await import(
        "../../export/export_model.ts"
      );
      const { loadChosen } = await import(
        "../../run/checkpoints/checkpoint_ref.ts"
      );
      const { loadMeta } = await import("../../run/files/meta.ts");
      const { runPaths } = await import("../../run/files/run_paths.ts");
      using line = new LiveLine(app);
      using stop = new StopSignal(app, () => {});
      const chosen = await loadChosen(
        app.root,
        checkpoint === undefined ? ref : `${ref}/${checkpoint}`,
      );
      for (const warning of chosen.warnings) app.warn(warning);
      const { meta: path } = runPaths(app.root, chosen.runId);
      const exported = await exportModel({
        chosen,
        meta: await loadMeta(path).catch(() => null), // only for the card
        format,
        dtype,
        output: output ?? defaultOutput(chosen.runId, format, dtype),
        force,
        signal: stop.signal,
        onProgress: (fraction) =>
          line.update((columns) => formatStage("writing", fraction, columns)),
      });
      line[Symbol.dispose]();
      for (const warning of exported.warnings) app.warn(warning);
      const from = `${chosen.runId}/${chosen.name}`;
      if (app.json) {
        const { output, sizeBytes, sha256 } = exported;
        return app.printJson({
          checkpoint: from,
          format,
          dtype,
          output,
          sizeBytes,
          sha256,
        });
      }
      app.print(formatFields([
        ["checkpoint", from],
        ["written", exported.output],
        ["size", `${formatBytes(exported.sizeBytes)} in ${dtype}`],
        ...exported.sha256 ? [["sha256", exported.sha256] as const] : [],
      ]));
      app.note();
      app.note(nextStep(format, exported.output));
    });
}

function nextStep(format: string, output: string): string {
  switch (format) {
    case "gguf":
      return `Load it with: llama-cli -m ${output} -p "Once upon a time"`;
    case "bundle":
      return `Run it: ${
        /[/\\]/.test(output) ? output : `./${output}`
      } --prompt "Once upon a time"`;
    case "hf":
      return "Load it with: " +
        `transformers.AutoModelForCausalLM.from_pretrained("${output}")`;
    case "peft":
      return "Load it with: peft.PeftModel.from_pretrained(MODEL, " +
        `"${output}")`;
    default:
      return "The tensors have Hugging Face's names.";
  }
}
