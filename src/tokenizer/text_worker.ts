/// <reference no-default-lib="true" />
/// <reference lib="deno.worker" />
/**
 * A thread that does a job on batches of text; see text_pool.ts.
 *
 * @module
 */

import { UserError } from "../base/errors.ts";
import type { TextBatch } from "./text_batch.ts";
import { type OpenJob, openJob, type TextJob } from "./text_job.ts";

/** What a thread is told: first its job, then batches, null at the end. */
export type WorkerOrder = { job: TextJob } | { batch: TextBatch | null };

/** What a thread answers to each batch. */
export type WorkerAnswer =
  | { result: unknown }
  | { error: { message: string; hint: string | null } };

let opened: Promise<OpenJob<TextJob["kind"]>>;

self.onmessage = async ({ data: order }: MessageEvent<WorkerOrder>) => {
  if ("job" in order) {
    opened = openJob(order.job);
    opened.catch(() => {}); // the first batch reports it
    return;
  }
  const { batch } = order;
  let answer: WorkerAnswer;
  try {
    const job = await opened;
    answer = { result: batch === null ? job.finish() : job.run(batch) };
  } catch (error) {
    const hint = error instanceof UserError ? error.hint : null;
    const message = error instanceof Error ? error.message : String(error);
    answer = { error: { message, hint } };
  }
  self.postMessage(answer, buffersOf(answer));
};

/** What is handed over and not copied. */
function buffersOf(answer: WorkerAnswer): ArrayBuffer[] {
  if (!("result" in answer) || answer.result === null) return [];
  return Object.values(answer.result as object)
    .filter((value) => ArrayBuffer.isView(value))
    .map(({ buffer }) => buffer as ArrayBuffer);
}
