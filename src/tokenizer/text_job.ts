/**
 * What is done with batches of text, in this thread or in another.
 *
 * @module
 */

import { IdBuffer } from "./id_buffer.ts";
import { loadTokenizer } from "./load.ts";
import { type TextBatch, textsOf } from "./text_batch.ts";
import { type CountedWords, WordCounts } from "./word_counts.ts";

/** The tokenizer of an encoding. */
export interface EncodeJob {
  kind: "encode";
  /** Its `tokenizer.json`. */
  json: string;
  type: string;
}

/** What a thread is to do with the batches that it gets. */
export type TextJob = EncodeJob | { kind: "count" };

/** Ids of a batch, with those of end-of-text after each document. */
export interface EncodedBatch {
  ids: Uint32Array<ArrayBuffer>;
  /** How much a char vocabulary did not know. */
  unknown: number;
}

/** What comes of one batch, and of all of them in the end. */
export interface JobResults {
  encode: { batch: EncodedBatch; all: null };
  count: { batch: null; all: CountedWords };
}

/** A job, ready to be done. */
export interface OpenJob<K extends TextJob["kind"]> {
  run(batch: TextBatch): JobResults[K]["batch"];
  finish(): JobResults[K]["all"];
}

/** Opens a job of either kind. */
export async function openJob(
  job: TextJob,
): Promise<OpenJob<"encode"> | OpenJob<"count">> {
  return job.kind === "count" ? openCount() : await openEncode(job);
}

function openCount(): OpenJob<"count"> {
  const counts = new WordCounts();
  return {
    run(batch) {
      for (const { text } of textsOf(batch)) counts.add(text);
      return null;
    },
    finish: () => counts.take(),
  };
}

async function openEncode(
  { json, type }: EncodeJob,
): Promise<OpenJob<"encode">> {
  const tokenizer = await loadTokenizer(json, { type });
  const { endOfText } = tokenizer;
  return {
    run(batch) {
      const ids = new IdBuffer(batch.bytes.length);
      let unknown = 0;
      for (const { text, endsDocument } of textsOf(batch)) {
        tokenizer.encodeInto(ids, text);
        // Other types know every text, or would have to encode it twice.
        if (type === "char") {
          unknown += tokenizer.countUnknown(decoder.decode(text));
        }
        if (endsDocument && endOfText !== null) ids.push(endOfText);
      }
      return { ids: ids.take(), unknown };
    },
    finish: () => null,
  };
}

// A byte order mark is text like any other.
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
