/** `hearth generate`: text from a trained model. @module */

import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { EXIT, UserError } from "../../base/errors.ts";
import { formatCount, formatDuration } from "../../base/format.ts";
import type { GeneratedToken } from "../../generate/generate.ts";
import type { App } from "../app.ts";
import { examples } from "../flags/examples.ts";
import { countFlag, numberFlag } from "../flags/numbers.ts";
import { safeText } from "../../base/safe_text.ts";
import { StopSignal } from "../stop_signal.ts";

/** Adds the command. */
export function addGenerateCommand(
  program: CommandUnknownOpts,
  app: App,
): void {
  program.command("generate")
    .summary("write text with a trained model")
    .description(
      "Write text with a trained model, as it is drawn. With --json: one " +
        "object per sample.",
    )
    .argument("[run]", MODEL_ARGUMENT, "latest")
    .option("--prompt <text>", "text to continue; - reads standard input")
    .option(
      "--max-new-tokens <n>",
      "most tokens to draw (default: 200)",
      numberFlag("--max-new-tokens"),
    )
    .option(
      "--temperature <n>",
      "0: the most likely token, 1: as learned (default: 0.8)",
      numberFlag("--temperature"),
    )
    .option(
      "--top-k <n>",
      "draw from this many likely tokens; 0: all (default: 200)",
      numberFlag("--top-k"),
    )
    .option(
      "--top-p <n>",
      "draw from tokens up to this probability (default: 1)",
      numberFlag("--top-p"),
    )
    .option(
      "--repetition-penalty <n>",
      "above 1: avoid tokens seen before (default: 1)",
      numberFlag("--repetition-penalty"),
    )
    .option(
      "--seed <n>",
      "same seed, same text (default: 1337)",
      numberFlag("--seed"),
    )
    .option(
      "--num-samples <n>",
      "texts to write, each with the next seed (default: 1)",
      countFlag("--num-samples", 1),
    )
    .option("--device <device>", "auto, cpu, gpu … (default: auto)")
    .option("--threads <n>", "CPU threads", countFlag("--threads", 0))
    .addHelpText(
      "after",
      examples(
        'hearth generate owl-1 --prompt "Once upon a time"',
        "hearth generate best --temperature 0.5 --num-samples 3",
      ),
    )
    .action(async (ref, flags) => {
      const { resolveGeneration } = await import("../../generate/generate.ts");
      const settings = resolveGeneration(flags);
      const prompt = await readPrompt(app, flags.prompt);
      const { openModel } = await import("../../generate/open_model.ts");
      const { loadChosen } = await import(
        "../../run/checkpoints/checkpoint_ref.ts"
      );
      using stop = new StopSignal(app, () => {});
      const { device, threads } = flags;
      const chosen = await loadChosen(app.root, ref);
      await using model = await openModel(chosen, { device, threads });
      model.warnings.forEach((warning) => app.warn(warning));
      const unknown = model.countUnknown(prompt);
      if (unknown > 0) {
        app.warn(
          `Characters of the prompt that the model does not know: ${unknown}`,
        );
      }
      app.note(`${model.name} on ${model.device.name}`);
      for (let sample = 0; sample < (flags.numSamples ?? 1); sample++) {
        const seed = settings.seed + sample;
        const tokens = model.generate({
          ...settings,
          seed,
          prompt,
          signal: stop.signal,
        });
        const print = app.json ? printSampleJson : printSample;
        await print(app, tokens, { sample, seed, prompt });
        if (stop.signal.aborted) {
          app.exitCode = EXIT.stopped;
          return;
        }
      }
    });
}

/** Help of the argument that names a model. */
export const MODEL_ARGUMENT =
  "a run, RUN/best, RUN/500, latest, best, or a checkpoint's path";

async function readPrompt(app: App, given?: string): Promise<string> {
  if (given === undefined) return "";
  // `echo` and heredocs add a newline that nobody means.
  const prompt = given === "-"
    ? (await app.io.readStdin()).replace(/\r?\n$/, "")
    : given;
  if (prompt !== "") return prompt;
  throw new UserError(
    given === "-"
      ? "Cannot use --prompt -: standard input is empty, expected text"
      : 'Cannot use --prompt "": expected at least one character',
    {
      hint: "leave out --prompt to let the model begin by itself",
      exitCode: EXIT.usage,
    },
  );
}

/** One of the texts that were asked for. */
interface Sample {
  /** Counted from 0. */
  sample: number;
  seed: number;
  prompt: string;
}

async function printSample(
  app: App,
  tokens: AsyncIterable<GeneratedToken>,
  { sample, prompt }: Sample,
): Promise<void> {
  if (sample > 0) app.print("---");
  const { stdout } = app.io;
  // A file or another program gets what was written as it is.
  const write = (text: string) =>
    stdout.write(stdout.isTty ? safeText(text) : text);
  write(prompt);
  const startedAt = performance.now();
  let count = 0;
  for await (const { text } of tokens) {
    write(text);
    count++;
  }
  app.print();
  const ms = performance.now() - startedAt;
  app.note(
    `${formatCount(count)} tokens in ${formatDuration(ms)}, ` +
      `${formatCount(count / ms * 1000)} tok/s`,
  );
}

async function printSampleJson(
  app: App,
  tokens: AsyncIterable<GeneratedToken>,
  about: Sample,
): Promise<void> {
  const startedAt = performance.now();
  let text = "";
  const ids: number[] = [];
  for await (const token of tokens) {
    text += token.text;
    ids.push(token.id);
  }
  const elapsedMs = performance.now() - startedAt;
  app.printJson({ ...about, text, ids, elapsedMs });
}
