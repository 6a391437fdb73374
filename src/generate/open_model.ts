/**
 * A trained model, ready to write text.
 *
 * @module
 */

import type { DeviceInfo } from "../backend/backend.ts";
import { openBackend } from "../backend/devices/open_backend.ts";
import { eachFromHuggingFace } from "../model/huggingface.ts";
import { configFromHf } from "../model/huggingface_config.ts";
import { loadTokenizer } from "../tokenizer/mod.ts";
import { openDecoder } from "./decoder.ts";
import { generate, type GeneratedToken, type TextOptions } from "./generate.ts";

/** A checkpoint to open, as `loadChosen` of `run/` finds it. */
export interface ModelFiles {
  runId: string;
  /** Such as `step-00000500`. */
  name: string;
  /** Why it is not the one that was asked for; one text each. */
  warnings: readonly string[];
  content: {
    /** Hugging Face's `config.json`. */
    modelConfig: Parameters<typeof configFromHf>[0];
    tokenizerJson: string;
    params: Parameters<typeof eachFromHuggingFace>[1];
  };
}

/** What to open a model on. */
export interface ModelDevice {
  /** Default: `auto`. */
  device?: string;
  /** Whether to fail where that is not there. */
  strictDevice?: boolean;
  /** CPU threads; 0, the default, is one per physical core. */
  threads?: number;
  /** The longest prompt to expect; longer ones are read as well. */
  prompt?: string;
}

/** A model and its tokenizer; disposing frees the device. */
export interface OpenModel extends AsyncDisposable {
  /** Such as `owl-1/step-00000500`. */
  readonly name: string;
  /** What it runs on. */
  readonly device: DeviceInfo;
  /** Why it is not quite what was asked for. */
  readonly warnings: readonly string[];
  /** How it was decided what it runs on, where that is not plain. */
  readonly notes: readonly string[];
  /** Characters of `text` that the model's tokenizer has no id for. */
  countUnknown(text: string): number;
  /** Writes one text. Wait for the end of one before the next begins. */
  generate(options: TextOptions): AsyncGenerator<GeneratedToken>;
}

/**
 * Opens a checkpoint.
 *
 * @throws {UserError} If its files are damaged, and for a device that is not
 * there.
 */
export async function openModel(
  { runId, name, warnings, content }: ModelFiles,
  { device = "auto", strictDevice: strict, threads = 0, prompt = "" }:
    ModelDevice = {},
): Promise<OpenModel> {
  await using opened = new AsyncDisposableStack();
  const config = configFromHf(content.modelConfig);
  const tokenizer = await loadTokenizer(content.tokenizerJson);
  const startOfText = tokenizer.startOfText(content.modelConfig as object);
  const choice = await openBackend({ device, strict, threads });
  const { backend } = choice;
  opened.defer(() => backend.dispose());
  const weights = eachFromHuggingFace(config, content.params);
  const longestPrompt = tokenizer.encode(prompt).length;
  const options = { config, weights, longestPrompt };
  const decoder = await openDecoder(backend, options);
  opened.defer(() => decoder.dispose());
  const cleanup = opened.move();
  return {
    name: `${runId}/${name}`,
    device: backend.device,
    warnings: [...warnings, ...choice.warnings],
    notes: choice.notes,
    countUnknown: (text) => tokenizer.countUnknown(text),
    generate: (options) =>
      generate({ ...options, decoder, tokenizer, startOfText }),
    [Symbol.asyncDispose]: () => cleanup.disposeAsync(),
  };
}
