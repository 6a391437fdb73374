/**
 * What a model writes, printed as it is drawn.
 *
 * @module
 */

import { formatCount, formatDuration } from "../../base/format.ts";
import { safeText } from "../../base/safe_text.ts";
import {
  type GeneratedToken,
  type GenerationSettings,
  resolveGeneration,
} from "../../generate/generate.ts";
import type { OpenModel } from "../../generate/open_model.ts";
import type { App } from "../app.ts";

/** Says what is not quite as asked for, and what computes. */
export function introduce(app: App, model: OpenModel): void {
  model.warnings.forEach((warning) => app.warn(warning));
  model.notes.forEach((note) => app.note(note));
  app.note(`${model.name} on ${model.device.name}`);
}

/** What to write. */
export interface TextsToWrite {
  /** As typed. */
  flags: Partial<GenerationSettings> & { numSamples?: number };
  prompt: string;
  signal: AbortSignal;
}

/** Prints one text after another. */
export async function writeTexts(
  app: App,
  model: OpenModel,
  { flags, prompt, signal }: TextsToWrite,
): Promise<void> {
  const settings = resolveGeneration(flags);
  const unknown = model.countUnknown(prompt);
  if (unknown > 0) {
    app.warn(
      `Characters of the prompt that the model does not know: ${unknown}`,
    );
  }
  for (let sample = 0; sample < (flags.numSamples ?? 1); sample++) {
    const seed = settings.seed + sample;
    const tokens = model.generate({ ...settings, seed, prompt, signal });
    const print = app.json ? printSampleJson : printSample;
    await print(app, tokens, { sample, seed, prompt });
    if (signal.aborted) return;
  }
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
  try {
    for await (const { text } of tokens) {
      write(text);
      count++;
    }
  } finally {
    app.print(); // an error begins a line of its own
  }
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
