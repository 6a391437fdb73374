/**
 * From the text of a `tokenizer.json` to a working tokenizer.
 *
 * The shape of the file decides who encodes, never a setting: byte-level BPE
 * and single characters are encoded here, all else by Hugging Face's code.
 *
 * @module
 */

import { textSha256 } from "../base/sha256.ts";
import { ByteLevelBpe, readByteLevel } from "./byte_level_bpe.ts";
import { CharacterCodec, readCharacters } from "./characters.ts";
import { HuggingFaceCodec } from "./hugging_face.ts";
import type { IdBuffer } from "./id_buffer.ts";
import { type ConfigTokens, findStartOfText } from "./start_of_text.ts";
import type { Tokenizer } from "./tokenizer.ts";
import {
  findEndOfText,
  parseTokenizerJson,
  type TokenizerFile,
} from "./tokenizer_json.ts";

/** Text to ids and back; each kind of file has its own. */
type Codec = ByteLevelBpe | CharacterCodec | HuggingFaceCodec;

/** What the shape of a file says. */
interface Opened {
  /** The type, when none is given. */
  type: string;
  codec: Codec;
  cutsAt: LoadedTokenizer["cutsAt"];
}

/** A tokenizer made from a `tokenizer.json`. */
export class LoadedTokenizer implements Tokenizer {
  readonly type: string;
  readonly vocabSize: number;
  readonly endOfText: number | null;
  readonly json: string;
  readonly fingerprint: string;
  /**
   * Where a text may be cut without changing ids: between any two characters,
   * before the white space after a word, or where a trial shows it (pieces.ts).
   */
  readonly cutsAt: "characters" | "words" | "request";
  readonly #codec: Codec;
  readonly #postProcessor: unknown;

  /** Use {@linkcode loadTokenizer}. */
  constructor(
    json: string,
    { vocabSize, addedTokens, root }: TokenizerFile,
    { type, codec, cutsAt }: Opened,
  ) {
    this.type = type;
    this.vocabSize = vocabSize;
    this.endOfText = findEndOfText(addedTokens);
    this.json = json;
    this.fingerprint = textSha256(json);
    this.cutsAt = cutsAt;
    this.#codec = codec;
    this.#postProcessor = root.post_processor;
  }

  encode(text: string): Uint32Array {
    return this.#codec.encode(text);
  }

  /** Appends the ids of a text that is given as valid UTF-8. */
  encodeInto(ids: IdBuffer, text: Uint8Array): void {
    if (this.#codec instanceof ByteLevelBpe) {
      return this.#codec.encodeInto(ids, text);
    }
    const all = this.#codec.encode(decoder.decode(text));
    ids.append(all, 0, all.length);
  }

  decode(ids: ArrayLike<number>): string {
    return this.#codec.decode(ids);
  }

  /** The id that a model with this `config.json` wants before a text. */
  startOfText(config: ConfigTokens): number | null {
    return findStartOfText(this.#postProcessor, config);
  }

  /** Text of `ids` as UTF-8; of some ids it is not whole characters. */
  decodeUtf8(ids: ArrayLike<number>): Uint8Array {
    return this.#codec instanceof ByteLevelBpe
      ? this.#codec.decodeUtf8(ids)
      : encoder.encode(this.#codec.decode(ids));
  }

  /**
   * How much of `text` the vocabulary does not know: characters for `char`,
   * tokens for `file`; never anything for `bpe` and `byte`.
   */
  countUnknown(text: string): number {
    return "countUnknown" in this.#codec ? this.#codec.countUnknown(text) : 0;
  }
}

/** Settings of {@linkcode loadTokenizer}. */
export interface LoadOptions {
  /** `bpe`, `char`, `byte` or `file`; default: what the shape says. */
  type?: string;
  /** What to call the file in an error message. */
  name?: string;
}

/**
 * Opens a `tokenizer.json`, this project's own or any of Hugging Face's.
 *
 * @throws {UserError} If `json` is not a tokenizer; exit code 2.
 */
export async function loadTokenizer(
  json: string,
  { type, name = "tokenizer.json" }: LoadOptions = {},
): Promise<LoadedTokenizer> {
  const file = parseTokenizerJson(json, name);
  const found = await openCodec(file, name);
  return new LoadedTokenizer(json, file, { ...found, ...(type && { type }) });
}

async function openCodec(file: TokenizerFile, name: string): Promise<Opened> {
  const byteLevel = readByteLevel(file);
  if (byteLevel !== null) {
    const { merges, addedTokens } = byteLevel;
    return {
      type: merges.length > 0 ? "bpe" : "byte",
      codec: new ByteLevelBpe(byteLevel),
      // An added token with a space in it may lie across the end of a word.
      cutsAt: addedTokens.some(({ content }) =>
          /\p{White_Space}/u.test(content)
        )
        ? "request"
        : "words",
    };
  }
  const characters = readCharacters(file);
  if (characters !== null) {
    const codec = new CharacterCodec(characters);
    return { type: "char", codec, cutsAt: "characters" };
  }
  const codec = await HuggingFaceCodec.load(file, name);
  return { type: "file", codec, cutsAt: "request" };
}

const encoder = new TextEncoder();
// A byte order mark is text like any other.
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
