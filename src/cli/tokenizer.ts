/**
 * `hearth tokenizer`: train one, look into one, text to ids and back.
 *
 * @module
 */

import { stat } from "node:fs/promises";
import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { EXIT, UserError } from "../base/errors.ts";
import { formatCount } from "../base/format.ts";
import type { DataProgress } from "../data/progress.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import type { App } from "./app.ts";
import { examples } from "./examples.ts";
import { LiveLine } from "./live_line.ts";
import { StageLine } from "./stage_line.ts";
import { withStdin } from "./stdin_config.ts";
import { StopSignal } from "./stop_signal.ts";
import { formatFields } from "./table.ts";

const SOURCE = "a tokenizer.json, or a run or checkpoint that has one";

/** Adds the command and its subcommands. */
export function addTokenizerCommand(
  program: CommandUnknownOpts,
  app: App,
): void {
  const tokenizer = program.command("tokenizer")
    .summary("train and try tokenizers")
    .description("Train a tokenizer, look into one, and try it on text.")
    .helpCommand(false)
    .addHelpText(
      "after",
      examples(
        "hearth tokenizer train poems.txt --vocab-size 4096",
        "hearth tokenizer encode latest Hello",
      ),
    );
  addTrain(tokenizer, app);

  tokenizer.command("inspect")
    .summary("describe a tokenizer")
    .description("Describe a tokenizer.")
    .argument("[tokenizer]", SOURCE, "latest")
    .addHelpText(
      "after",
      examples("hearth tokenizer inspect", "hearth tokenizer inspect owl-1"),
    )
    .action(async (ref) => {
      const loaded = await open(app, ref);
      const { type, vocabSize, endOfText, fingerprint } = loaded;
      if (app.json) {
        return app.printJson({ type, vocabSize, endOfText, fingerprint });
      }
      app.print(formatFields([
        ["type", type],
        ["vocabulary", `${formatCount(vocabSize)} ids`],
        ["end of text", endOfText === null ? "none" : `id ${endOfText}`],
        ["sha256", fingerprint],
        ["longest", longestTokens(loaded).map(quote).join(" ")],
      ]));
    });

  tokenizer.command("encode")
    .summary("text to ids")
    .description("Print the ids of a text, or of standard input.")
    .argument("<tokenizer>", SOURCE)
    .argument("<text>", "the text; - reads standard input")
    .addHelpText(
      "after",
      examples(
        'hearth tokenizer encode latest "Once upon a time"',
        "hearth tokenizer encode tokenizer.json - < poems.txt",
      ),
    )
    .action(async (ref, text) => {
      const loaded = await open(app, ref);
      const input = text === "-" ? await app.io.readStdin() : text;
      const ids = [...loaded.encode(input)];
      if (!app.json) return app.print(ids.join(" "));
      app.printJson({ ids, tokens: ids.map((id) => loaded.decode([id])) });
    });

  tokenizer.command("decode")
    .summary("ids to text")
    .description("Print the text of ids.")
    .argument("<tokenizer>", SOURCE)
    .argument("<ids...>", "ids, as encode prints them")
    .addHelpText(
      "after",
      examples(
        "hearth tokenizer decode latest 72 101 108",
        "hearth tokenizer decode tokenizer.json 0 1 2 --json",
      ),
    )
    .action(async (ref, texts) => {
      const loaded = await open(app, ref);
      const ids = texts.flatMap((text) => text.trim().split(/[\s,]+/))
        .filter((text) => text !== "");
      const { vocabSize } = loaded;
      const wrong = ids.find((id) =>
        !/^\d+$/.test(id) || Number(id) >= vocabSize
      );
      if (wrong !== undefined) {
        throw new UserError(
          `Cannot decode id ${wrong}: expected 0 to ${vocabSize - 1}`,
          {
            hint: `hearth tokenizer inspect ${ref}`,
            exitCode: EXIT.usage,
          },
        );
      }
      const text = loaded.decode(ids.map(Number));
      if (app.json) app.printJson({ text });
      else app.print(text);
    });
}

function addTrain(tokenizer: CommandUnknownOpts, app: App): void {
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
    .option("--output <file>", "where to write", "tokenizer.json")
    .option("--force", "replace an existing file")
    .addHelpText(
      "after",
      examples(
        "hearth tokenizer train poems.txt --vocab-size 4096",
        "hearth tokenizer train sample --type char --output char.json",
      ),
    )
    .action(async (dataset, { type, vocabSize, output, force }) => {
      const { loadConfig } = await import("../config/load.ts");
      const { corpusParts, partsBytes } = await import("../data/corpus.ts");
      const { trainingTexts } = await import("../data/prepare.ts");
      const { describeProgress, meter } = await import("../data/progress.ts");
      const { rootPaths } = await import("../run/run_paths.ts");
      const { readCorpus } = await import("../data/read_corpus.ts");
      const { trainTokenizer } = await import("../tokenizer/mod.ts");
      const { replaceFile } = await import("../base/atomic_file.ts");
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
      const exists = await stat(output).then(() => true, () => false);
      if (exists && !force) {
        throw new UserError(`Cannot write "${output}": it exists`, {
          hint: "add --force to replace it, or --output to name another file",
          exitCode: EXIT.usage,
        });
      }
      using line = new LiveLine(app);
      using stop = new StopSignal(app, () => {});
      const { signal } = stop;
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
        { signal },
      );
      await replaceFile(output, trained.json);
      line[Symbol.dispose]();
      app.print(output);
      app.note(`${trained.type}, ${formatCount(trained.vocabSize)} ids`);
    });
}

/** Loads a tokenizer from a file, or from a checkpoint. */
async function open(app: App, ref: string): Promise<Tokenizer> {
  const { loadTokenizer } = await import("../tokenizer/mod.ts");
  const isFile = await stat(ref).then((found) => found.isFile(), () => false);
  if (isFile) {
    return await loadTokenizer(await Deno.readTextFile(ref), { name: ref });
  }
  const { loadChosen } = await import("../run/checkpoint_ref.ts");
  const { content } = await loadChosen(app.root, ref);
  return await loadTokenizer(content.tokenizerJson);
}

/** The longest texts that one id stands for. */
function longestTokens(tokenizer: Tokenizer): string[] {
  return Array.from({ length: tokenizer.vocabSize }, (_, id) => id)
    .map((id) => tokenizer.decode([id]))
    .sort((a, b) => b.length - a.length || (a < b ? -1 : 1))
    .slice(0, 8);
}

function quote(text: string): string {
  return JSON.stringify(text);
}
