/**
 * `hearth data`: the texts that were turned into tokens.
 *
 * @module
 */

import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { basename } from "node:path";
import { EXIT, UserError } from "../../base/errors.ts";
import { countOf, formatBytes } from "../../base/format.ts";
import { nearMiss } from "../../config/near_miss.ts";
import type { Prepared } from "../../data/tokens/prepared_tokens.ts";
import type { App } from "../app.ts";
import { addConfigFlags, readConfigFlags } from "../flags/config_flags.ts";
import { examples } from "../flags/examples.ts";
import { withStdin } from "../flags/stdin_config.ts";
import {
  formatDownloads,
  formatInfo,
  formatPrepared,
  formatPublic,
  formatPublicInfo,
} from "../output/data_text.ts";
import { LiveLine } from "../output/live_line.ts";
import { StageLine } from "../output/stage_line.ts";
import { StopSignal } from "../stop_signal.ts";

/** Adds the command and its subcommands. */
export function addDataCommand(program: CommandUnknownOpts, app: App): void {
  const data = program.command("data")
    .summary("download, prepare and list data sets")
    .description(
      "Texts are turned into tokens once and kept in data/tokens. " +
        "hearth train does it by itself; here it can be done beforehand.",
    )
    .helpCommand(false)
    .addHelpText(
      "after",
      examples(
        "hearth data prepare --dataset wikitext-2",
        "hearth data list",
      ),
    );

  addList(data, app);
  addInfo(data, app);
  addClean(data, app);
  addPrepare(data, app);
}

function addList(data: CommandUnknownOpts, app: App): void {
  data.command("list")
    .summary("list prepared, downloaded and public data sets")
    .description(
      "List the data sets that are tokens already, the downloads that are " +
        "kept, and the public data sets that have a name.",
    )
    .addHelpText(
      "after",
      examples("hearth data list", "hearth data list --json"),
    )
    .action(async () => {
      const { listRaw } = await import("../../data/sources/raw_files.ts");
      const { PUBLIC_SOURCES } = await import(
        "../../data/sources/public_sources.ts"
      );
      const { dataDir, all } = await prepared(app);
      const downloads = await listRaw(dataDir);
      if (app.json) {
        return app.printJson({
          prepared: all.map(described),
          downloads,
          public: PUBLIC_SOURCES,
        });
      }
      if (all.length === 0) app.note("no data is prepared yet");
      app.print([
        ...all.length > 0 ? [formatPrepared(all)] : [],
        ...downloads.length > 0 ? [formatDownloads(downloads)] : [],
        formatPublic(PUBLIC_SOURCES),
      ].join("\n\n"));
    });
}

function addInfo(data: CommandUnknownOpts, app: App): void {
  data.command("info")
    .summary("describe a prepared or a public data set")
    .description("Describe a prepared or a public data set.")
    .argument("<id>", "its id or name in hearth data list")
    .addHelpText(
      "after",
      examples("hearth data info wikitext-2", "hearth data info 4f1c --json"),
    )
    .action(async (id) => {
      const { findPublic, PUBLIC_SOURCES } = await import(
        "../../data/sources/public_sources.ts"
      );
      const known = findPublic(id);
      if (known !== undefined) {
        if (app.json) app.printJson(known);
        else app.print(formatPublicInfo(known));
        return;
      }
      const { all } = await prepared(app);
      const one = findPrepared(all, id, PUBLIC_SOURCES.map(({ name }) => name));
      if (app.json) app.printJson(described(one));
      else app.print(formatInfo(one));
    });
}

function addClean(data: CommandUnknownOpts, app: App): void {
  data.command("clean")
    .summary("remove prepared data sets")
    .description(
      "Remove all prepared data sets. The texts themselves stay, downloads " +
        "too; what is needed is prepared again.",
    )
    .option("--downloads", "remove downloads as well, finished or not")
    .addHelpText(
      "after",
      examples("hearth data clean", "hearth data clean --downloads"),
    )
    .action(async ({ downloads }) => {
      const { cleanPrepared } = await import(
        "../../data/tokens/prepared_tokens.ts"
      );
      const { cleanRaw } = await import("../../data/sources/raw_files.ts");
      const { dataDir } = await prepared(app);
      const { explainingIo } = await import("../../run/files/explaining_io.ts");
      const { result, raw } = await explainingIo(dataDir, async () => ({
        result: await cleanPrepared(dataDir),
        raw: downloads ? await cleanRaw(dataDir) : null,
      }));
      if (app.json) return app.printJson({ ...result, downloads: raw });
      app.print(
        `removed ${countOf(result.removed, "data set")}, ` +
          `${formatBytes(result.freedBytes)}`,
      );
      if (raw !== null) {
        app.print(
          `removed downloads of ${countOf(raw.removed, "data set")}, ` +
            `${formatBytes(raw.freedBytes)}`,
        );
      }
    });
}

function addPrepare(data: CommandUnknownOpts, app: App): void {
  const command = data.command("prepare")
    .summary("download a text and turn it into tokens")
    .description(
      "Download a text, if need be, and turn it into tokens, so that hearth train with the same settings " +
        "starts at once.",
    )
    .option("--config <file>", "YAML or JSON file with settings")
    .option("--profile <name>", "settings to start from, such as tiny")
    .option("--refresh", "download the newest version, even if one is here")
    .addHelpText(
      "after",
      examples(
        "hearth data prepare --dataset wikitext-2 --vocab-size 4096",
        "hearth data prepare --config hearth.yaml",
      ),
    );
  addConfigFlags(command, ["data", "tokenizer"]);
  command.action(async ({ config: file, profile, refresh }) => {
    const { loadConfig } = await import("../../config/load.ts");
    const flags = readConfigFlags(command);
    const config = await withStdin(
      app,
      await loadConfig({ file, profile, flags }),
    );
    const { openDataset } = await import("../../data/open_dataset.ts");
    const { rootPaths } = await import("../../run/files/run_paths.ts");
    const { describeProgress } = await import("../../data/progress.ts");
    const stages = new StageLine();
    using line = new LiveLine(app);
    using stop = new StopSignal(app, () => {});
    const { dataset, prepared, reused } = await openDataset({
      data: config.data,
      tokenizer: config.tokenizer,
      seqLen: config.model.seqLen,
      batchSize: config.train.batchSize || 1, // auto depends on the device
      seed: config.seed,
      dataDir: rootPaths(app.root).data,
      refresh,
      onProgress: (progress) =>
        line.update(stages.render(describeProgress(progress))),
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
  const { listPrepared } = await import("../../data/tokens/prepared_tokens.ts");
  const { rootPaths } = await import("../../run/files/run_paths.ts");
  const dataDir = rootPaths(app.root).data;
  return { dataDir, all: await listPrepared(dataDir) };
}

/** What `--json` says about a data set: its header and where it is. */
function described({ directory, header }: Prepared) {
  return { id: basename(directory), directory, ...header };
}

function findPrepared(
  all: readonly Prepared[],
  id: string,
  publicNames: readonly string[],
): Prepared {
  const found = all.filter(({ directory }) =>
    basename(directory).startsWith(id)
  );
  if (found.length === 1) return found[0];
  const meant = found.length === 0 ? nearMiss(id, publicNames) : null;
  throw new UserError(
    found.length === 0
      ? `There is no prepared data set "${id}"`
      : `There are ${found.length} prepared data sets that begin with "${id}"`,
    {
      hint: meant
        ? `did you mean ${meant}?`
        : "hearth data list shows their ids",
      exitCode: EXIT.usage,
    },
  );
}
