/**
 * One id per character, as nanoGPT's `shakespeare_char`: the characters of the
 * corpus sorted by code point, and no special token.
 *
 * Characters are code points, not graphemes. Decoding joins them without
 * spaces. A character that the corpus lacks becomes a space, or the first
 * character when there is no space; {@linkcode CharacterCodec.countUnknown}
 * tells how many there were.
 *
 * @module
 */

import { z } from "zod";
import { EXIT, UserError } from "../base/errors.ts";
import type { TokenizerFile } from "./tokenizer_json.ts";
import { charactersJson } from "./write_json.ts";

/** The `tokenizer.json` of the characters that occur in `texts`. */
export async function trainCharacters(
  texts: Iterable<string> | AsyncIterable<string>,
): Promise<string> {
  const seen = new Set<string>();
  for await (const text of texts) {
    for (const character of text.toWellFormed()) seen.add(character);
  }
  if (seen.size === 0) {
    throw new UserError("Cannot make a char tokenizer: the text is empty", {
      hint: "name a dataset with text in it, or set tokenizer.type to byte",
      exitCode: EXIT.usage,
    });
  }
  const characters = [...seen].sort((a, b) =>
    a.codePointAt(0)! - b.codePointAt(0)!
  );
  return charactersJson(characters, seen.has(" ") ? " " : characters[0]);
}

/** A vocabulary of characters, see {@linkcode readCharacters}. */
export interface CharacterModel {
  vocab: ReadonlyMap<string, number>;
  /** The id for characters that are not in `vocab`. */
  unknownId: number;
}

/** Characters to ids and back. */
export class CharacterCodec {
  #model: CharacterModel;
  #characters: string[] = [];

  constructor(model: CharacterModel) {
    this.#model = model;
    for (const [character, id] of model.vocab) this.#characters[id] = character;
  }

  /** Ids of `text`, one per code point. */
  encode(text: string): Uint32Array {
    const { vocab, unknownId } = this.#model;
    const ids = new Uint32Array(text.length);
    let length = 0;
    for (const character of text.toWellFormed()) {
      ids[length++] = vocab.get(character) ?? unknownId;
    }
    return ids.slice(0, length);
  }

  /** The characters of `ids`, joined; ids out of range are left out. */
  decode(ids: ArrayLike<number>): string {
    let text = "";
    for (let i = 0; i < ids.length; i++) text += this.#characters[ids[i]] ?? "";
    return text;
  }

  /** How many characters of `text` are not in the vocabulary. */
  countUnknown(text: string): number {
    let count = 0;
    for (const character of text.toWellFormed()) {
      if (!this.#model.vocab.has(character)) count++;
    }
    return count;
  }
}

const characterSchema = z.object({
  added_tokens: z.array(z.unknown()).max(0).nullish(),
  normalizer: z.null().optional(),
  pre_tokenizer: z.null().optional(),
  decoder: z.object({ type: z.literal("Fuse") }),
  model: z.object({
    type: z.literal("BPE").optional(),
    dropout: z.literal(0).nullish(),
    continuing_subword_prefix: z.literal("").nullish(),
    end_of_word_suffix: z.literal("").nullish(),
    fuse_unk: z.literal(false).optional(),
    byte_fallback: z.literal(false).optional(),
    merges: z.array(z.unknown()).max(0),
  }),
});

/** The model of `file` if its tokens are single characters, or null. */
export function readCharacters(file: TokenizerFile): CharacterModel | null {
  const { vocab, unknownId } = file;
  if (unknownId === null || !characterSchema.safeParse(file.root).success) {
    return null;
  }
  for (const token of vocab.keys()) if ([...token].length !== 1) return null;
  return { vocab, unknownId };
}
