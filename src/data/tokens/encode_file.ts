/**
 * Encodes any source into a token file of its own, and back.
 *
 * @module
 */

import { EXIT, UserError } from "../../base/errors.ts";
import type { LoadedTokenizer } from "../../tokenizer/load.ts";
import { TextPool } from "../../tokenizer/text_pool.ts";
import { checkSources, partsBytes } from "../corpus.ts";
import { readFailure } from "../file_errors.ts";
import { meter } from "../progress.ts";
import type { FetchOptions } from "../sources/fetch_options.ts";
import { resolveSources } from "../sources/resolve_sources.ts";
import { EncodingWriter, writePassages } from "./encoding_writer.ts";
import { TOKEN_BYTES, tokenDtype, TokenFile } from "./token_file.ts";

/** Ids to decode at a time. */
const DECODED_TOKENS = 1 << 18;

/** What to encode, and who listens. */
export interface EncodeFileOptions extends FetchOptions {
  /** A source, as `dataset` names them. */
  input: string;
  /** The token file to write: little-endian u16, or u32 for 65,537 ids up. */
  output: string;
  threads?: number;
}

/**
 * Writes the ids of all of `input`, documents ended as for training.
 *
 * @throws {UserError} For a source that cannot be used, and a full disk; what
 * was written of `output` is then removed.
 */
export async function encodeFile(
  tokenizer: LoadedTokenizer,
  { input, output, threads, ...options }: EncodeFileOptions,
): Promise<{ tokens: number; bytes: number; unknown: number }> {
  const { onProgress, signal } = options;
  const sources = await resolveSources(input, options);
  const [source] = await checkSources(sources, { known: () => null, signal });
  const part = { source, valFraction: 0 };
  const total = partsBytes([part]);
  const onBytes = meter({ phase: "tokenize", total }, onProgress);
  const { json, type } = tokenizer;
  using pool = new TextPool({ kind: "encode", json, type }, threads);
  await using writer = await EncodingWriter.create(output, { tokenizer, pool });
  try {
    await writePassages(part, () => writer, { onBytes, signal });
    const { tokens, bytes } = await writer.finish();
    return { tokens, bytes, unknown: writer.unknown };
  } catch (error) {
    await Deno.remove(output).catch(() => {}); // the failure is what counts
    throw error;
  }
}

/**
 * The text of a token file, a part at a time; memory does not grow with it.
 *
 * A tokenizer that is not byte-level may join words differently where two
 * parts of a quarter of a million ids meet.
 *
 * @throws {UserError} If it is not a file of ids of that tokenizer.
 */
export async function* decodeFile(
  tokenizer: LoadedTokenizer,
  path: string,
): AsyncGenerator<string> {
  const dtype = tokenDtype(tokenizer.vocabSize);
  let size: number;
  try {
    ({ size } = await Deno.stat(path));
  } catch (error) {
    throw readFailure(path, error);
  }
  const tokens = size / TOKEN_BYTES[dtype];
  if (!Number.isInteger(tokens)) {
    throw notTokens(path, `its size is no whole number of ${dtype} ids`);
  }
  const file = new TokenFile(path, { tokens, dtype });
  // A character may begin in one part and end in the next.
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  try {
    for (let at = 0; at < tokens; at += DECODED_TOKENS) {
      const ids = file.read(at, Math.min(DECODED_TOKENS, tokens - at));
      const wrong = ids.find((id) => id >= tokenizer.vocabSize);
      if (wrong !== undefined) {
        throw notTokens(path, `it has id ${wrong}`);
      }
      yield decoder.decode(tokenizer.decodeUtf8(ids), { stream: true });
    }
    yield decoder.decode();
  } finally {
    file.close();
  }
}

function notTokens(path: string, what: string): UserError {
  return new UserError(`Cannot decode "${path}": ${what}`, {
    hint: "give a file that hearth tokenizer encode wrote with the same " +
      "tokenizer",
    exitCode: EXIT.usage,
  });
}
