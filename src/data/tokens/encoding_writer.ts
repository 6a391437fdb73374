/**
 * From documents to a token file, encoded in threads and written in order.
 *
 * Every whole document ends with the tokenizer's end-of-text id. A tokenizer
 * without one gets a blank line between documents instead. Where the split
 * cuts a document, nothing is added.
 *
 * @module
 */

import { breather } from "../../base/breather.ts";
import type { LoadedTokenizer } from "../../tokenizer/load.ts";
import { splitForEncoding } from "../../tokenizer/pieces.ts";
import { BatchBuilder } from "../../tokenizer/text_batch.ts";
import type { EncodedBatch } from "../../tokenizer/text_job.ts";
import type { TextPool } from "../../tokenizer/text_pool.ts";
import {
  type CorpusPart,
  type Passage,
  readPassages,
  type Side,
} from "../corpus.ts";
import type { ReadOptions } from "../text/file_bytes.ts";
import { tokenDtype, TokenWriter, type WrittenTokens } from "./token_file.ts";

/** Stands between documents where there is no end-of-text id. */
export const SEPARATOR = "\n\n";

/** Batches whose ids may wait to be written, some 1 MB of text each. */
const WAITING_BATCHES = 8;

/** Encodes texts with one tokenizer. */
export interface Encoder {
  tokenizer: LoadedTokenizer;
  /** Of threads that have that tokenizer. */
  pool: TextPool<"encode">;
}

/** Encodes all of `part`, each passage to the writer of its side. */
export async function writePassages(
  part: CorpusPart,
  writerOf: (side: Side) => EncodingWriter,
  options: ReadOptions,
): Promise<void> {
  const breathe = breather(options.signal);
  for await (const passage of readPassages(part, options)) {
    await writerOf(passage.side).write(passage, breathe);
  }
}

/** A token file in the making. */
export class EncodingWriter implements AsyncDisposable {
  #writer: TokenWriter;
  #tokenizer: LoadedTokenizer;
  #batches: BatchBuilder;
  /** What is being encoded and written, in order. */
  #waiting: Promise<void>[] = [];
  #bytes = 0;
  /** Characters that are not in a char vocabulary. */
  unknown = 0;
  #separatorDue = false;

  private constructor(writer: TokenWriter, { tokenizer, pool }: Encoder) {
    this.#writer = writer;
    this.#tokenizer = tokenizer;
    this.#batches = new BatchBuilder(async (batch) => {
      const { result } = await pool.submit(batch);
      await this.#append(result);
    });
  }

  /** Of ids of the smallest type. @throws {UserError} If it cannot be made. */
  static async create(path: string, encoder: Encoder): Promise<EncodingWriter> {
    const dtype = tokenDtype(encoder.tokenizer.vocabSize);
    return new EncodingWriter(await TokenWriter.create(path, dtype), encoder);
  }

  /** Encodes a passage. */
  async write(
    { chunks, endsDocument }: Pick<Passage, "chunks" | "endsDocument">,
    breathe: ReturnType<typeof breather>,
  ): Promise<void> {
    for await (const text of splitForEncoding(this.#tokenizer, chunks)) {
      if (this.#separatorDue) this.#bytes += await this.#batches.add(SEPARATOR);
      this.#separatorDue = false;
      this.#bytes += await this.#batches.add(text);
      await breathe();
    }
    if (!endsDocument) return;
    if (this.#tokenizer.endOfText === null) this.#separatorDue = true;
    else this.#batches.endDocument();
  }

  /** Writes the rest. @returns Also the UTF-8 bytes of the text. */
  async finish(): Promise<WrittenTokens & { bytes: number }> {
    await this.#batches.flush();
    await Promise.all(this.#waiting);
    return { ...await this.#writer.finish(), bytes: this.#bytes };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled(this.#waiting);
    this.#writer.close();
  }

  /** Writes the ids of a batch after those before it. */
  async #append(result: Promise<EncodedBatch>): Promise<void> {
    const before = this.#waiting.at(-1);
    const written = (async () => {
      await before;
      const { ids, unknown } = await result;
      this.unknown += unknown;
      await this.#writer.write(ids);
    })();
    written.catch(() => {}); // whoever waits for it sees the failure
    this.#waiting.push(written);
    if (this.#waiting.length > WAITING_BATCHES) await this.#waiting.shift();
  }
}
