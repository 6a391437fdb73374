/**
 * The time of each dispatch by the device's own clock, in the order of a
 * phase: what the others leave in caches counts, and so does what the device
 * needs between a dispatch and the next, as each has a pass of its own.
 *
 * Deno does not tell the period of a clock (ext/webgpu, as of 2.9.6), so that
 * is measured against the host's.
 *
 * @module
 */

import { type PreparedDispatch, recordPass } from "./prepared_dispatch.ts";
import type { Readback } from "./readback.ts";

/** WebGPU allows 4096 queries in a set; each dispatch takes two. */
const MOST_DISPATCHES = 2048;
/** The clock is compared with the host's over at least so long. */
const LEAST_MS = 40;
/** Periods this near to 1 ns are taken for it. */
const NEARLY = 0.1;

/**
 * Milliseconds of each dispatch, the median of `times` runs; null if the device
 * has no such clock.
 */
export async function timeInOrder(
  device: GPUDevice,
  { dispatches, times, readback, anything }: {
    dispatches: readonly PreparedDispatch[];
    times: number;
    readback: Readback;
    /** Any buffer that can be copied from. */
    anything: GPUBuffer;
  },
): Promise<number[] | null> {
  if (!device.features.has("timestamp-query")) return null;
  const count = 2 * dispatches.length;
  if (count === 0 || dispatches.length > MOST_DISPATCHES) return null;
  const querySet = device.createQuerySet({ type: "timestamp", count });
  const resolved = device.createBuffer({
    size: 8 * count,
    usage: GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC,
  });
  const ticksOf = async (): Promise<bigint[]> => {
    const encoder = device.createCommandEncoder();
    dispatches.forEach((dispatch, i) => {
      recordPass(encoder, [dispatch], {
        timestampWrites: {
          querySet,
          beginningOfPassWriteIndex: 2 * i,
          endOfPassWriteIndex: 2 * i + 1,
        },
      });
    });
    encoder.resolveQuerySet(querySet, 0, count, resolved, 0);
    device.queue.submit([encoder.finish()]);
    const range = { buffer: resolved, offset: 0, sizeBytes: 8 * count };
    return [...new BigUint64Array(await readback.read([range]))];
  };
  try {
    await ticksOf(); // a driver may compile at the first use
    const runs: bigint[][] = [];
    for (let run = 0; run < times; run++) runs.push(await ticksOf());
    const period = await nanosecondsPerTick(device, {
      ...{ dispatches, querySet, resolved, readback, anything },
    });
    return dispatches.map((_, i) => {
      const all = runs
        .map((ticks) => Number(ticks[2 * i + 1] - ticks[2 * i]))
        .toSorted((a, b) => a - b);
      return all[Math.floor(all.length / 2)] * period / 1e6;
    });
  } finally {
    querySet.destroy();
    resolved.destroy();
  }
}

/** The period of the device's clock, by runs of all dispatches in a row. */
async function nanosecondsPerTick(
  device: GPUDevice,
  { dispatches, querySet, resolved, readback, anything }: {
    dispatches: readonly PreparedDispatch[];
    querySet: GPUQuerySet;
    resolved: GPUBuffer;
    readback: Readback;
    anything: GPUBuffer;
  },
): Promise<number> {
  const answer = { buffer: anything, offset: 0, sizeBytes: 4 };
  const wait = async () => {
    const start = performance.now();
    await readback.read([answer]);
    return performance.now() - start;
  };
  await wait();
  const answerMs = Math.min(await wait(), await wait(), await wait());
  for (let runs = 1;; runs *= 2) {
    const encoder = device.createCommandEncoder();
    const [first] = dispatches;
    recordPass(encoder, [first], {
      timestampWrites: { querySet, beginningOfPassWriteIndex: 0 },
    });
    for (let run = 0; run < runs; run++) {
      for (const dispatch of dispatches) recordPass(encoder, [dispatch]);
    }
    recordPass(encoder, [first], {
      timestampWrites: { querySet, endOfPassWriteIndex: 1 },
    });
    encoder.resolveQuerySet(querySet, 0, 2, resolved, 0);
    const start = performance.now();
    device.queue.submit([encoder.finish()]);
    await readback.read([answer]);
    const ms = performance.now() - start - answerMs;
    const range = { buffer: resolved, offset: 0, sizeBytes: 16 };
    const [begin, end] = new BigUint64Array(await readback.read([range]));
    if (ms < LEAST_MS && runs < 1 << 16) continue;
    const period = 1e6 * ms / Math.max(1, Number(end - begin));
    return Math.abs(period - 1) < NEARLY ? 1 : period;
  }
}
