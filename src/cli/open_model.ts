/**
 * A trained model, ready to write text.
 *
 * @module
 */

import type { DeviceInfo } from "../backend/backend.ts";
import { openBackend } from "../backend/devices.ts";
import { openDecoder } from "../generate/decoder.ts";
import {
  generate,
  type GeneratedToken,
  type GenerateOptions,
} from "../generate/generate.ts";
import { eachFromHuggingFace } from "../model/huggingface.ts";
import { configFromHf } from "../model/huggingface_config.ts";
import { loadTokenizer } from "../tokenizer/mod.ts";
import { loadChosen } from "./checkpoint_ref.ts";

/** Which model to open, and on what. */
export interface ModelChoice {
  /** The directory of `runs` and `checkpoints`. */
  root: string;
  /** A run, `RUN/best`, `RUN/500`, `latest`, `best`, or a path. */
  ref: string;
  /** Default: `auto`. */
  device?: string;
  /** CPU threads; 0, the default, is one per physical core. */
  threads?: number;
}

/** What to write; settings left out have the defaults of `generate`. */
export type TextOptions = Omit<GenerateOptions, "decoder" | "tokenizer">;

/** A model and its tokenizer; disposing frees the device. */
export interface OpenModel extends AsyncDisposable {
  /** Such as `owl-1/step-00000500`. */
  readonly name: string;
  readonly device: DeviceInfo;
  /** Why it is not quite what was asked for. */
  readonly warnings: readonly string[];
  /** Characters of `text` that the model's tokenizer has no id for. */
  countUnknown(text: string): number;
  /** Writes one text. Wait for the end of one before the next begins. */
  generate(options: TextOptions): AsyncGenerator<GeneratedToken>;
}

/**
 * Opens a checkpoint; see checkpoint_ref.ts.
 *
 * @throws {UserError} If there is none or it is damaged, and for a device
 * that is not there.
 */
export async function openModel(
  { root, ref, device = "auto", threads = 0 }: ModelChoice,
): Promise<OpenModel> {
  const { runId, name, warnings, content } = await loadChosen(root, ref);
  await using opened = new AsyncDisposableStack();
  const config = configFromHf(content.modelConfig);
  const tokenizer = await loadTokenizer(content.tokenizerJson);
  const choice = await openBackend({ device, threads });
  const { backend } = choice;
  opened.defer(() => backend.dispose());
  const weights = eachFromHuggingFace(config, content.params);
  const decoder = await openDecoder(backend, { config, weights });
  opened.defer(() => decoder.dispose());
  const cleanup = opened.move();
  return {
    name: `${runId}/${name}`,
    device: backend.device,
    warnings: [...warnings, ...choice.warnings],
    countUnknown: (text) => tokenizer.countUnknown(text),
    generate: (options) => generate({ ...options, decoder, tokenizer }),
    [Symbol.asyncDispose]: () => cleanup.disposeAsync(),
  };
}
