/**
 * A tokenizer and a model that were made for each other: every id has a row.
 *
 * Checkpoints may come from anybody, and an id without a row ends the kernel
 * that looks it up.
 *
 * @module
 */

import { UserError } from "../base/errors.ts";

/**
 * @param action What cannot be done then, such as `generate`.
 * @throws {UserError} If the tokenizer has more ids than the model.
 */
export function checkVocabulary(
  action: string,
  { tokenizer, model }: Record<"tokenizer" | "model", { vocabSize: number }>,
): void {
  if (tokenizer.vocabSize <= model.vocabSize) return;
  throw new UserError(
    `Cannot ${action}: the tokenizer has ${tokenizer.vocabSize} ids, the ` +
      `model ${model.vocabSize}`,
    { hint: "use the tokenizer.json of the same checkpoint" },
  );
}
