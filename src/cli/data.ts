/**
 * `hearth data`: the texts that were turned into tokens.
 *
 * @module
 */

import { basename } from "node:path";
import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { EXIT, UserError } from "../base/errors.ts";
import { formatBytes, formatCount } from "../base/format.ts";
import type { Prepared } from "../data/prepared.ts";
import type { App } from "./app.ts";
import { addConfigFlags, readConfigFlags } from "./config_flags.ts";
import { examples } from "./examples.ts";
import { LiveLine } from "./live_line.ts";
import { formatStage } from "./progress_bar.ts";
import { StopSignal } from "./stop_signal.ts";
import { formatFields, formatTable } from "./table.ts";

/** Adds the command and its subcommands. */
export function addDataCommand(program: CommandUnknownOpts, app: App): void {
  const data = program.command("data")
    .summary("prepare and list data sets")
    .description(
      "Texts are turned into tokens once and kept in data/tokens. " +
        "hearth train does it by itself; here it can be done beforehand.",
    )
    .helpCommand(false)
    .addHelpText(
      "after",
      examples(
        "hearth data prepare --dataset poems.txt",
        "hearth data list",
      ),
    );

  data.command("list")
    .summary("list prepared data sets")
    .description("List prepared data sets.")
    .addHelpText(
      "after",
      examples("hearth data list", "hearth data list --json"),
    )
    .action(async () => {
      const { all } = await prepared(app);
      if (app.json) app.printJson(all.map(described));
      else if (all.length > 0) app.print(formatPrepared(all));
      else app.note("no data is prepared yet");
    });

  data.command("info")
    .summary("describe a prepared data set")
    .description("Describe a prepared data set.")
    .argument("<id>", "its id in hearth data list, or the beginning of it")
    .addHelpText(
      "after",
      examples("hearth data info 4f1c", "hearth data info 4f1c --json"),
    )
    .action(async (id) => {
      const { all } = await prepared(app);
      const one = findPrepared(all, id);
      if (app.json) app.printJson(described(one));
      else app.print(formatInfo(one));
    });

  data.command("clean")
    .summary("remove prepared data sets")
    .description(
      "Remove all prepared data sets. The texts themselves stay; what is " +
        "needed is prepared again.",
    )
    .addHelpText(
      "after",
      examples("hearth data clean", "hearth data clean --root /mnt/big"),
    )
    .action(async () => {
      const { cleanPrepared } = await import("../data/prepared.ts");
      const { dataDir } = await prepared(app);
      const result = await cleanPrepared(dataDir);
      if (app.json) app.printJson(result);
      else {
        app.print(
          `removed ${result.removed} data sets, ` +
            `${formatBytes(result.freedBytes)}`,
        );
      }
    });

  addPrepare(data, app);
}

function addPrepare(data: CommandUnknownOpts, app: App): void {
  const command = data.command("prepare")
    .summary("turn a text into tokens")
    .description(
      "Turn a text into tokens, so that hearth train with the same settings " +
        "starts at once.",
    )
    .option("--config <file>", "YAML or JSON file with settings")
    .option("--profile <name>", "settings to start from, such as tiny")
    .addHelpText(
      "after",
      examples(
        "hearth data prepare --dataset poems.txt --vocab-size 4096",
        "hearth data prepare --config hearth.yaml",
      ),
    );
  addConfigFlags(command, ["data", "tokenizer"]);
  command.action(async ({ config: file, profile }) => {
    const { loadConfig } = await import("../config/load.ts");
    const flags = readConfigFlags(command);
    const config = await loadConfig({ file, profile, flags });
    const { openDataset } = await import("../data/open_dataset.ts");
    const { rootPaths } = await import("../run/run_paths.ts");
    using line = new LiveLine(app);
    using stop = new StopSignal(app, () => {});
    const { dataset, prepared, reused } = await openDataset({
      data: config.data,
      tokenizer: config.tokenizer,
      seqLen: config.model.seqLen,
      batchSize: config.train.batchSize || 1, // auto depends on the device
      seed: config.seed,
      dataDir: rootPaths(app.root).data,
      onProgress: ({ phase, done, total }) =>
        line.update((columns) => formatStage(phase, done / total, columns)),
      onNotice: (message) => line.warn(message),
      signal: stop.signal,
    });
    dataset.close();
    line[Symbol.dispose]();
    if (app.json) {
      return app.printJson({ sources: prepared.map(described), reused });
    }
    if (reused) app.note("it was prepared before");
    app.print(prepared.map(formatInfo).join("\n\n"));
  });
}

async function prepared(app: App) {
  const { listPrepared } = await import("../data/prepared.ts");
  const { rootPaths } = await import("../run/run_paths.ts");
  const dataDir = rootPaths(app.root).data;
  return { dataDir, all: await listPrepared(dataDir) };
}

/** What `--json` says about a data set: its header and where it is. */
function described({ directory, header }: Prepared) {
  return { id: basename(directory), directory, ...header };
}

function findPrepared(all: readonly Prepared[], id: string): Prepared {
  const found = all.filter(({ directory }) =>
    basename(directory).startsWith(id)
  );
  if (found.length === 1) return found[0];
  throw new UserError(
    found.length === 0
      ? `There is no prepared data set "${id}"`
      : `There are ${found.length} prepared data sets that begin with "${id}"`,
    { hint: "hearth data list shows their ids", exitCode: EXIT.usage },
  );
}

/** The table of `hearth data list`; pure. */
function formatPrepared(all: readonly Prepared[]): string {
  return formatTable(
    [
      ["id", "left"],
      ["source", "left"],
      ["tokenizer", "left"],
      ["train tokens", "right"],
      ["val tokens", "right"],
    ],
    all.map(({ directory, header }) => [
      basename(directory),
      header.source,
      `${header.tokenizer.type} ${formatCount(header.tokenizer.vocabSize)}`,
      formatCount(header.train.tokens),
      formatCount(header.val.tokens),
    ]),
  );
}

/** The lines of `hearth data info`; pure. */
function formatInfo({ directory, header }: Prepared): string {
  const { tokenizer, train, val, valFraction } = header;
  const side = ({ tokens, bytes }: typeof train) =>
    tokens === 0
      ? "nothing"
      : `${formatCount(tokens)} tokens from ${formatBytes(bytes)} of text, ` +
        `${(bytes / tokens).toFixed(2)} bytes per token`;
  return formatFields([
    ["id", basename(directory)],
    ["directory", directory],
    ["source", header.source],
    ["validation", `${100 * valFraction} % of the text`],
    ["files", formatCount(header.files.length)],
    [
      "tokenizer",
      `${tokenizer.type}, ${formatCount(tokenizer.vocabSize)} ids`,
    ],
    ["train", side(train)],
    ["val", side(val)],
  ]);
}
