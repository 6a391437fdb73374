/**
 * `hearth bench generate`: one token after another with the key-value cache.
 *
 * Every weight is read once per token, so the speed of memory is the limit;
 * it is measured beside it, on all threads.
 *
 * @module
 */

import type { Backend } from "../../backend/backend.ts";
import { formatBytes, formatCount } from "../../base/format.ts";
import { PhiloxStream, STREAM } from "../../base/philox.ts";
import { type Decoder, openDecoder } from "../../generate/decoder.ts";
import { DEFAULT_SAMPLING } from "../../generate/sampling.ts";
import { Graph } from "../../graph/graph.ts";
import { plan } from "../../graph/plan.ts";
import { sizeOf } from "../../graph/tensor.ts";
import { parameters } from "../../model/parameters.ts";
import { trialParams } from "../../train/trial_params.ts";
import { formatFields } from "../output/table.ts";
import type { BenchModel } from "./bench_model.ts";
import { peakRssBytes } from "./machine.ts";
import { measure, spreadPct, summarize, type Timing } from "./timing.ts";

/** What came out. */
export interface GenerateFigures {
  readonly promptTokens: number;
  readonly newTokens: number;
  readonly tokensPerSec: number;
  readonly msPerToken: number;
  /** Of one token, its drawing included. */
  readonly token: Timing;
  readonly promptTokensPerSec: number;
  /** Weights that are read for every token. */
  readonly weightBytes: number;
  readonly weightGbPerSec: number;
  /** At which this device reads a tensor that fits no cache. */
  readonly memoryGbPerSec: number;
  readonly peakRssBytes: number | null;
}

/** Drawn between two looks at a device that runs behind. */
const QUEUED_TOKENS = 32;
/** More than the caches of any CPU hold. */
const PROBE_BYTES = 512e6;
const PROBE_SECONDS = 1;
const PROBE_RUNS = 16;

/** Reads `promptTokens` random tokens, then draws `newTokens` one by one. */
export async function benchGenerate(
  backend: Backend,
  { model }: BenchModel,
  { promptTokens, newTokens }: { promptTokens: number; newTokens: number },
): Promise<GenerateFigures> {
  const weights = trialParams(model);
  const decoder = await openDecoder(backend, { config: model, weights });
  const stream = new PhiloxStream(1, STREAM.sampling);
  const prompt = Uint32Array.from(
    { length: promptTokens },
    () => stream.below(model.vocabSize),
  );
  await draw(decoder, { prompt, newTokens: 8 }); // does not count
  const { promptMs, times } = await draw(decoder, { prompt, newTokens });
  const peak = peakRssBytes();
  await decoder.dispose();
  const token = summarize(times);
  const weightBytes = bytesPerToken(model);
  return {
    promptTokens,
    newTokens,
    tokensPerSec: 1000 / token.medianMs,
    msPerToken: token.medianMs,
    token,
    promptTokensPerSec: promptTokens / promptMs * 1000,
    weightBytes,
    weightGbPerSec: weightBytes / token.medianMs / 1e6,
    memoryGbPerSec: await memorySpeed(backend),
    peakRssBytes: peak,
  };
}

/** The figures for people; pure. */
export function formatGenerate(figures: GenerateFigures): string {
  const { token } = figures;
  return formatFields([
    ["tokens/s", figures.tokensPerSec.toFixed(1)],
    [
      "ms/token",
      `${token.medianMs.toFixed(2)} (median of ${token.runs}, ` +
      `spread ${spreadPct(token).toFixed(1)} %)`,
    ],
    ["prompt", `${formatCount(figures.promptTokensPerSec)} tokens/s`],
    [
      "weights",
      `${formatBytes(figures.weightBytes)} per token, ` +
      `${figures.weightGbPerSec.toFixed(1)} GB/s`,
    ],
    ["memory", `${figures.memoryGbPerSec.toFixed(1)} GB/s at best`],
    ["peak memory", formatBytes(figures.peakRssBytes)],
  ]);
}

async function draw(
  decoder: Decoder,
  { prompt, newTokens }: { prompt: Uint32Array; newTokens: number },
): Promise<{ promptMs: number; times: number[] }> {
  decoder.reset();
  let start = performance.now();
  await decoder.feed(prompt);
  await decoder.logits(); // waits for a device that runs behind
  const promptMs = performance.now() - start;
  const { vocabSize } = decoder.config;
  const options = { ...DEFAULT_SAMPLING, seed: 1, vocabSize };
  decoder.begin({ ...options, history: prompt });
  const times: number[] = [];
  const most = decoder.executable.isQueued ? QUEUED_TOKENS : 1;
  while (times.length < newTokens) {
    start = performance.now();
    const ids = await decoder.draw(Math.min(most, newTokens - times.length));
    const ms = (performance.now() - start) / ids.length;
    times.push(...ids.map(() => ms));
  }
  return { promptMs, times };
}

/** All parameters but the lookups; a shared embedding is also the head. */
function bytesPerToken(model: BenchModel["model"]): number {
  let numbers = 0;
  for (const { name, shape } of parameters(model)) {
    const isLookup = name === "wpe" || name === "wte" && !model.tieEmbeddings;
    if (!isLookup) numbers += sizeOf(shape);
  }
  return 4 * numbers;
}

async function memorySpeed(backend: Backend): Promise<number> {
  const g = new Graph();
  const most = backend.limits?.tensorBytes ?? PROBE_BYTES;
  const length = Math.floor(Math.min(PROBE_BYTES, most) / 4);
  const probe = g.state("probe", [length]);
  g.sumSquares(probe, { out: g.state("sum", [1]) });
  const executable = await backend.compile(plan({ read: g }));
  executable.write("probe", new Float32Array(length).fill(1e-3));
  const seconds = PROBE_SECONDS;
  // A GPU only says when it is done: many runs between two answers.
  const runs = backend.device.backend === "cpu" ? 1 : PROBE_RUNS;
  const { bestMs } = await measure(async () => {
    for (let i = 0; i < runs; i++) await executable.run("read");
    await executable.read("sum");
  }, { seconds });
  await executable.dispose();
  return 4 * length * runs / bestMs / 1e6;
}
