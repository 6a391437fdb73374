/** `hearth report`: runs as a page to read, keep and send. @module */

import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { EXIT, UserError } from "../../base/errors.ts";
import { exists } from "../../base/exists.ts";
import { formatBytes } from "../../base/format.ts";
import type { App } from "../app.ts";
import { examples } from "../flags/examples.ts";
import { countFlag } from "../flags/numbers.ts";
import { LiveLine } from "../output/live_line.ts";
import { formatStage } from "../output/progress_bar.ts";
import { written } from "../output/written.ts";
import { StopSignal } from "../stop_signal.ts";

/** Checkpoints of a run that write a sample, if nobody says otherwise. */
const SAMPLES = 4;

/** Adds the command. */
export function addReportCommand(program: CommandUnknownOpts, app: App): void {
  program.command("report")
    .summary("write runs as an HTML page")
    .description(
      "Write runs side by side as one HTML page that needs nothing else: " +
        "results, curves, settings, telemetry, and what the checkpoints that " +
        "are kept write.",
    )
    .argument("<run...>", "ids of runs, or their beginnings")
    .option("--output <file>", "default: named after the first run")
    .option("--force", "replace what lies there")
    .option("--prompt <text>", "what the samples continue")
    .option(
      "--samples <n>",
      `checkpoints of each run that write one; 0: none (default: ${SAMPLES})`,
      countFlag("--samples", 0),
    )
    .addHelpText(
      "after",
      examples(
        "hearth report owl-1",
        'hearth report owl-1 fox-1 --prompt "Once upon a time" --output a.html',
      ),
    )
    .action(async (refs, { output, force, prompt = "", samples: count }) => {
      const { resolveRun } = await import("../../run/files/runs.ts");
      const { collectReport } = await import("../../export/report_data.ts");
      const { writeReport } = await import("../../export/write_report.ts");
      const { writeSamples } = await import("../checkpoint/report_samples.ts");
      using line = new LiveLine(app);
      using stop = new StopSignal(app, () => {});
      const found = [];
      for (const ref of refs) found.push(await resolveRun(app.root, ref));
      const runIds = [...new Set(found)];
      const path = output ?? `${runIds[0]}-report.html`;
      if (!force) await checkFree(path);
      const samples = await writeSamples(app, runIds, {
        count: count ?? SAMPLES,
        prompt,
        signal: stop.signal,
        onProgress: (fraction) =>
          line.update((columns) => formatStage("writing", fraction, columns)),
      });
      const report = await collectReport(app.root, runIds, samples);
      const sizeBytes = await written(
        path,
        writeReport(path, report),
        "choose another --output FILE",
      );
      line[Symbol.dispose]();
      if (app.json) return app.printJson({ output: path, sizeBytes, runIds });
      app.print(`${path}  ${formatBytes(sizeBytes)}`);
    });
}

async function checkFree(path: string): Promise<void> {
  if (!await exists(path)) return;
  throw new UserError(`Cannot write "${path}": it is there already`, {
    hint: "add --force to replace it, or choose another --output FILE",
    exitCode: EXIT.usage,
  });
}
