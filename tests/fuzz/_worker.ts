/// <reference no-default-lib="true" />
/// <reference lib="deno.worker" />
/**
 * Feeds one target, in a thread of its own: what hangs or fills the memory
 * does it here.
 *
 * @module
 */

import { PhiloxStream, STREAM } from "../../src/base/philox.ts";
import type { FuzzJob, FuzzReport } from "./_fuzz.ts";
import { TARGETS } from "./_targets.ts";

self.onmessage = async ({ data }: MessageEvent<FuzzJob>) => {
  const { target: name, seed, first, count, counter, dir } = data;
  const report: FuzzReport = { refused: 0, failures: [] };
  const target = await TARGETS[name].open(dir);
  for (let index = first; index < first + count; index++) {
    Atomics.store(counter, 0, index);
    const random = new PhiloxStream(seed, STREAM.sampling, index);
    try {
      await target.feed(random);
    } catch (error) {
      if (target.mayThrow(error)) report.refused++;
      else if (report.failures.length < 20) {
        const what = error instanceof Error ? error.stack : String(error);
        report.failures.push(`input ${index}: ${what}`);
      }
    }
  }
  self.postMessage(report);
};
