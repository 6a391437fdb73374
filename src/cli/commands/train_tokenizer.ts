/**
 * `hearth tokenizer train`.
 *
 * @module
 */

import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { EXIT, UserError } from "../../base/errors.ts";
import { exists } from "../../base/exists.ts";
import { formatCount } from "../../base/format.ts";
import { limitThreads } from "../../base/thread_limit.ts";
import type { DataProgress } from "../../data/progress.ts";
import type { App } from "../app.ts";
import { examples } from "../flags/examples.ts";
import { countFlag } from "../flags/numbers.ts";
import { withStdin } from "../flags/stdin_config.ts";
import { LiveLine } from "../output/live_line.ts";
import { StageLine } from "../output/stage_line.ts";
import { StopSignal } from "../stop_signal.ts";

/** Adds the subcommand `train`. */
export function addTrainTokenizerCommand(
  tokenizer: CommandUnknownOpts,
  app: App,
): void {
  tokenizer.command("train")
    .summary("train a tokenizer on text")
    .description(
      "Train a tokenizer on text and write it as a Hugging Face " +
        "tokenizer.json.",
    )
    .argument(
      "<source...>",
      "sample, wikitext-2, hf:…, files, folders or globs",
    )
    .option("--type <bpe|char|byte>", "kind of tokenizer (default: bpe)")
    .option("--vocab-size <n>", "size of a bpe vocabulary (default: 2048)")
    .option(
      "--special-token <text>",
      "a token of its own, such as <|user|>; may be repeated (bpe)",
      (text: string, before: string[] = []) => [...before, text],
    )
    .option(
      "--min-frequency <n>",
      "leave pairs alone that are seen less often (default: 2)",
      countFlag("--min-frequency", 1),
    )
    .option(
      "--threads <n>",
      "threads that count; default: one per core",
      countFlag("--threads", 1),
    )
    .option("--output <file>", "where to write", "tokenizer.json")
    .option("--force", "replace an existing file")
    .addHelpText(
      "after",
      examples(
        "hearth tokenizer train poems.txt --vocab-size 4096",
        "hearth tokenizer train sample --type char --output char.json",
      ),
    )
    .action(async (dataset, options) => {
      const { type, vocabSize, output, force } = options;
      const { specialToken: specialTokens, minFrequency } = options;
      if (specialTokens?.some((text) => text === "")) {
        throw new UserError("Cannot make an empty token special", {
          hint: "give the text after --special-token",
          exitCode: EXIT.usage,
        });
      }
      const { loadConfig } = await import("../../config/load.ts");
      const { corpusParts, partsBytes } = await import("../../data/corpus.ts");
      const { trainingTexts } = await import(
        "../../data/tokens/write_tokens.ts"
      );
      const { describeProgress, meter } = await import(
        "../../data/progress.ts"
      );
      const { rootPaths } = await import("../../run/files/run_paths.ts");
      const { readCorpus } = await import("../../data/read_corpus.ts");
      const { trainTokenizer } = await import("../../tokenizer/mod.ts");
      const { replaceFile } = await import("../../base/atomic_file.ts");
      const config = await withStdin(
        app,
        await loadConfig({
          flags: [
            { path: "data.dataset", value: dataset, typed: dataset.join(" ") },
            ...type === undefined ? [] : [{
              path: "tokenizer.type",
              value: type,
              typed: `--type ${type}`,
            }],
            ...vocabSize === undefined ? [] : [{
              path: "tokenizer.vocabSize",
              value: Number(vocabSize),
              typed: `--vocab-size ${vocabSize}`,
            }],
          ],
        }),
      );
      if (await exists(output) && !force) {
        throw new UserError(`Cannot write "${output}": it exists`, {
          hint: "add --force to replace it, or --output to name another file",
          exitCode: EXIT.usage,
        });
      }
      using line = new LiveLine(app);
      using stop = new StopSignal(app, () => {});
      const { signal } = stop;
      const { threads, warning } = limitThreads(options.threads ?? 0);
      if (warning !== null) line.warn(warning);
      const stages = new StageLine();
      const onProgress = (progress: DataProgress) =>
        line.update(stages.render(describeProgress(progress)));
      const { data } = config;
      const corpus = await readCorpus({
        data,
        dataDir: rootPaths(app.root).data,
        onProgress,
        onNotice: (message) => line.warn(message),
        signal,
      }, []);
      // All of the text: there is nothing to validate here.
      const whole = corpusParts({ ...corpus, val: [], valFraction: null });
      const total = partsBytes(whole);
      const trained = await trainTokenizer(
        config.tokenizer,
        trainingTexts(whole, {
          onBytes: meter({ phase: "tokenizer", total }, onProgress),
          signal,
        }),
        {
          specialTokens,
          minFrequency,
          threads,
          signal,
          onNotice: (message) => line.warn(message),
          onProgress(progress) {
            if (progress.phase !== "merging") return;
            const { vocabSize: done, targetVocabSize: total } = progress;
            onProgress({ phase: "tokenizer", done, total });
          },
        },
      );
      await replaceFile(output, trained.json);
      line[Symbol.dispose]();
      app.print(output);
      app.note(`${trained.type}, ${formatCount(trained.vocabSize)} ids`);
    });
}
