/**
 * `hearth tokenizer`: train one, look into one, text to ids and back.
 *
 * @module
 */

import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { stat } from "node:fs/promises";
import { EXIT, UserError } from "../../base/errors.ts";
import { formatBytes, formatCount } from "../../base/format.ts";
import { limitThreads } from "../../base/thread_limit.ts";
import type { LoadedTokenizer } from "../../tokenizer/load.ts";
import type { NamedToken } from "../../tokenizer/vocabulary_report.ts";
import type { App } from "../app.ts";
import { examples } from "../flags/examples.ts";
import { countFlag } from "../flags/numbers.ts";
import { LiveLine } from "../output/live_line.ts";
import { StageLine } from "../output/stage_line.ts";
import { formatFields, formatTable } from "../output/table.ts";
import { StopSignal } from "../stop_signal.ts";
import { addTrainTokenizerCommand } from "./train_tokenizer.ts";

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
  addTrainTokenizerCommand(tokenizer, app);
  addInspect(tokenizer, app);
  addEncode(tokenizer, app);
  addDecode(tokenizer, app);
}

function addInspect(tokenizer: CommandUnknownOpts, app: App): void {
  tokenizer.command("inspect")
    .summary("describe a tokenizer")
    .description("Describe a tokenizer.")
    .argument("[tokenizer]", SOURCE, "latest")
    .addHelpText(
      "after",
      examples("hearth tokenizer inspect", "hearth tokenizer inspect owl-1"),
    )
    .action(async (ref) => {
      const { reportVocabulary } = await import(
        "../../tokenizer/vocabulary_report.ts"
      );
      const loaded = await open(app, ref);
      const { type, vocabSize, endOfText, fingerprint } = loaded;
      const report = reportVocabulary(loaded);
      if (app.json) {
        const about = { type, vocabSize, endOfText, fingerprint };
        return app.printJson({ ...about, ...report });
      }
      const named = ({ id, text }: NamedToken) => `${id} ${quote(text)}`;
      const { kinds, lengths, special, longest } = report;
      app.print(formatFields([
        ["type", type],
        ["vocabulary", `${formatCount(vocabSize)} ids`],
        ["end of text", endOfText === null ? "none" : `id ${endOfText}`],
        ["special", special.map(named).join(", ") || "none"],
        ["sha256", fingerprint],
        ["longest", longest.map(({ text }) => quote(text)).join(" ")],
      ]));
      app.print();
      app.print(formatTable(
        [["tokens", "left"], ["count", "right"]],
        Object.entries(kinds).filter(([, count]) => count > 0)
          .map(([kind, count]) => [kind, formatCount(count)]),
      ));
      app.print();
      app.print(formatTable(
        [["bytes", "right"], ["count", "right"]],
        lengths.map((count, bytes) => [String(bytes), formatCount(count)])
          .filter((_, bytes) => lengths[bytes] > 0),
      ));
    });
}

function addEncode(tokenizer: CommandUnknownOpts, app: App): void {
  tokenizer.command("encode")
    .summary("text to ids")
    .description(
      "Print the ids of a text, or of standard input; or write those of files, " +
        "however large, to a file of little-endian 16-bit numbers (32-bit for " +
        "more than 65,536 ids).",
    )
    .argument("<tokenizer>", SOURCE)
    .argument("[text]", "the text; - reads standard input")
    .option("--input <source>", "encode a file, a folder or a glob")
    .option("--output <file>", "where to write the ids of --input")
    .option(
      "--threads <n>",
      "threads that encode; default: one per core",
      countFlag("--threads", 1),
    )
    .addHelpText(
      "after",
      examples(
        'hearth tokenizer encode latest "Once upon a time"',
        "hearth tokenizer encode tokenizer.json --input poems/ --output ids.bin",
      ),
    )
    .action(async (ref, text, { input: source, output, threads }) => {
      const loaded = await open(app, ref);
      if (source !== undefined && output !== undefined && text === undefined) {
        return await encodeSource(app, loaded, { source, output, threads });
      }
      if (source !== undefined || output !== undefined || text === undefined) {
        throw new UserError(
          "Cannot encode: expected a text, or --input and --output",
          {
            hint: "hearth tokenizer encode --help shows both",
            exitCode: EXIT.usage,
          },
        );
      }
      const input = text === "-" ? await app.io.readStdin() : text;
      const ids = [...loaded.encode(input)];
      if (!app.json) return app.print(ids.join(" "));
      app.printJson({ ids, tokens: ids.map((id) => loaded.decode([id])) });
    });
}

function addDecode(tokenizer: CommandUnknownOpts, app: App): void {
  tokenizer.command("decode")
    .summary("ids to text")
    .description("Print the text of ids, or of a file that encode wrote.")
    .argument("<tokenizer>", SOURCE)
    .argument("[ids...]", "ids, as encode prints them")
    .option("--input <file>", "a file of ids that encode wrote")
    .addHelpText(
      "after",
      examples(
        "hearth tokenizer decode latest 72 101 108",
        "hearth tokenizer decode tokenizer.json 0 1 2 --json",
      ),
    )
    .action(async (ref, texts, { input }) => {
      const loaded = await open(app, ref);
      if (input !== undefined && texts.length === 0) {
        const { decodeFile } = await import("../../data/tokens/encode_file.ts");
        for await (const text of decodeFile(loaded, input)) {
          app.io.stdout.write(text);
        }
        return;
      }
      if (input !== undefined || texts.length === 0) {
        throw new UserError("Cannot decode: expected ids, or --input", {
          hint: "hearth tokenizer decode --help shows both",
          exitCode: EXIT.usage,
        });
      }
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

/** Writes the ids of files, and says how many and how fast. */
async function encodeSource(
  app: App,
  tokenizer: LoadedTokenizer,
  { source, output, threads: asked = 0 }: {
    source: string;
    output: string;
    threads?: number;
  },
): Promise<void> {
  const { encodeFile } = await import("../../data/tokens/encode_file.ts");
  const { describeProgress } = await import("../../data/progress.ts");
  const { rootPaths } = await import("../../run/files/run_paths.ts");
  using line = new LiveLine(app);
  using stop = new StopSignal(app, () => {});
  const start = performance.now();
  const stages = new StageLine();
  const { threads, warning } = limitThreads(asked);
  if (warning !== null) line.warn(warning);
  const result = await encodeFile(tokenizer, {
    input: source,
    output,
    threads,
    dataDir: rootPaths(app.root).data,
    signal: stop.signal,
    onNotice: (message) => line.warn(message),
    onProgress: (progress) =>
      line.update(stages.render(describeProgress(progress))),
  });
  const ms = performance.now() - start;
  line[Symbol.dispose]();
  const { tokens, bytes, unknown } = result;
  if (app.json) return app.printJson({ output, ...result, ms });
  app.print(output);
  app.note(
    `${formatCount(tokens)} tokens from ${formatBytes(bytes)} of text, ` +
      `${(bytes / tokens).toFixed(2)} bytes per token, ` +
      `${formatBytes(1000 * bytes / ms)}/s`,
  );
  if (unknown > 0) {
    app.warn(
      `${formatCount(unknown)} characters of the text are not in the ` +
        "tokenizer's vocabulary and were replaced",
    );
  }
}

/** Loads a tokenizer from a file, or from a checkpoint. */
async function open(app: App, ref: string): Promise<LoadedTokenizer> {
  const { loadTokenizer, readTokenizerJson } = await import(
    "../../tokenizer/mod.ts"
  );
  const isFile = await stat(ref).then((found) => found.isFile(), () => false);
  if (isFile) {
    return await loadTokenizer(await readTokenizerJson(ref), { name: ref });
  }
  const { loadChosen } = await import(
    "../../run/checkpoints/checkpoint_ref.ts"
  );
  const { content } = await loadChosen(app.root, ref);
  return await loadTokenizer(content.tokenizerJson);
}

function quote(text: string): string {
  return JSON.stringify(text);
}
