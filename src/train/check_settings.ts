/**
 * Settings that contradict each other, found before anything is opened.
 *
 * @module
 */

import { EXIT, UserError } from "../base/errors.ts";
import type { HearthConfig } from "../config/hearth_config.ts";
import { resolveLora } from "../model/lora.ts";
import { resolveModel } from "../model/model_config.ts";

/**
 * Refuses settings that contradict each other.
 *
 * @throws {UserError} With exit code 2.
 */
export function checkSettings(
  { model, tokenizer, train, lora }: HearthConfig,
): void {
  if (train.epochs !== undefined && train.steps !== undefined) {
    throw new UserError(
      `Cannot train for ${train.epochs} epochs and for ${train.steps} steps: ` +
        "only one of epochs and steps can be set",
      { hint: "leave out --epochs or --steps", exitCode: EXIT.usage },
    );
  }
  // The shape of a model is checked as it is resolved; the size of the
  // vocabulary is not known yet, and makes no difference to that.
  resolveLora(lora, resolveModel(model, tokenizer.vocabSize));
}
