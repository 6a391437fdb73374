/**
 * A thread that does a job on batches of text; see text_pool.ts.
 *
 * @module
 */

import { parentPort, workerData } from "node:worker_threads";
import { UserError } from "../base/errors.ts";
import type { TextBatch } from "./text_batch.ts";
import { openJob, type TextJob } from "./text_job.ts";

/** What a thread answers. */
export type WorkerAnswer =
  | { result: unknown }
  | { error: { message: string; hint: string | null } };

const opened = openJob(workerData as TextJob);
opened.catch(() => {}); // the first batch reports it

parentPort!.on("message", async (batch: TextBatch | null) => {
  let answer: WorkerAnswer;
  try {
    const job = await opened;
    answer = { result: batch === null ? job.finish() : job.run(batch) };
  } catch (error) {
    const hint = error instanceof UserError ? error.hint : null;
    const message = error instanceof Error ? error.message : String(error);
    answer = { error: { message, hint } };
  }
  parentPort!.postMessage(answer, buffersOf(answer));
});

/** What is handed over and not copied. */
function buffersOf(answer: WorkerAnswer): ArrayBuffer[] {
  if (!("result" in answer) || answer.result === null) return [];
  return Object.values(answer.result as object)
    .filter((value) => ArrayBuffer.isView(value))
    .map(({ buffer }) => buffer as ArrayBuffer);
}
