/**
 * Checks of settings against each other, as far as they need no data. What
 * only the model knows (such as heads dividing channels) is checked there.
 *
 * @module
 */

import { EXIT, UserError } from "../base/errors.ts";
import type { HearthConfig } from "./hearth_config.ts";
import type { Layer, Settings } from "./layer.ts";
import type { ProfileName } from "./profile_names.ts";
import { PROFILES } from "./profiles.ts";

/** Refuses `train.steps` and `train.epochs` written in the same place. */
export function checkStepsOrEpochs({ settings, quote }: Layer): void {
  const train = settings.train as Settings | null | undefined;
  if (train?.epochs == null || train.steps == null) return;
  throw usage(
    `Cannot use ${quote(["train", "epochs"])}: train.steps is given too, ` +
      "expected one of the two",
    "leave out epochs or steps",
  );
}

/** Refuses a profile that is made for one text when no text is named. */
export function checkHasDataset(profile: string, merged: Settings): void {
  const data = merged.data as Settings | undefined;
  if (data?.dataset || !PROFILES[profile as ProfileName].needsDataset) return;
  throw usage(
    `Cannot use profile "${profile}" without a dataset: ` +
      "it is made for the tiny Shakespeare text",
    "download input.txt of karpathy/char-rnn's tinyshakespeare and add " +
      "--dataset input.txt",
  );
}

/** Refuses settings of a merged configuration that contradict each other. */
export function checkTogether(
  { from, tokenizer, train, lora }: HearthConfig,
): void {
  const { rank, ...others } = lora;
  const [other] = Object.keys(others);
  if (rank === undefined && other !== undefined) {
    throw usage(
      `Cannot use lora.${other} without lora.rank: there are no adapters`,
      "add --lora-rank 8",
    );
  }
  if (rank !== undefined && from === undefined) {
    throw usage(
      `Cannot use lora.rank ${rank} with a new model: adapters are trained ` +
        "beside the weights of one that is there",
      "add --from RUN, or leave out --lora-rank",
    );
  }
  if (tokenizer.type === "file" && tokenizer.path === undefined) {
    throw usage(
      "Cannot use tokenizer.type file without tokenizer.path",
      "add --tokenizer-path FILE, a Hugging Face tokenizer.json",
    );
  }
  if (tokenizer.type !== "file" && tokenizer.path !== undefined) {
    throw usage(
      `Cannot use tokenizer.path "${tokenizer.path}" with tokenizer.type ` +
        `${tokenizer.type}: expected type file`,
      "add --tokenizer file",
    );
  }
  if (train.minLr !== undefined && train.minLr > train.lr) {
    throw usage(
      `Cannot use train.minLr ${train.minLr}: ` +
        `expected at most train.lr, ${train.lr}`,
      "lower --min-lr or raise --lr",
    );
  }
}

function usage(message: string, hint: string): UserError {
  return new UserError(message, { hint, exitCode: EXIT.usage });
}
