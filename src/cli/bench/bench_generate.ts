/**
 * `hearth bench generate`: one token after another with the key-value cache.
 *
 * Every weight is read once per token, so the speed of memory is the limit;
 * it is measured beside it, on all threads. So are tokens at the end of the
 * context, which read the whole cache, and a long prompt, without the wait for
 * the answer, which a short one would mostly be.
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
  /** Of one token where the context ends, and how many are before the first. */
  readonly endToken: Timing;
  readonly endTokens: number;
  /** Reading `readTokens`, without the time that an answer takes. */
  readonly promptTokensPerSec: number;
  readonly readTokens: number;
  readonly read: Timing;
  /** Until logits that are there have come to the host, in milliseconds. */
  readonly answerMs: number;
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
/** Of a prompt that is read for its time: as many as the longest piece has. */
const READ_TOKENS = 512;
const READ_RUNS = 5, ANSWERS = 5;
/** The answer may take this part of the reading, or it is read again. */
const ANSWER_SHARE = 0.05, MOST_IN_A_ROW = 16;
/** Part of the context that its end is measured in, at most. */
const END_SHARE = 1 / 8;

/** Reads `promptTokens` random tokens, then draws `newTokens` one by one. */
export async function benchGenerate(
  backend: Backend,
  { model }: BenchModel,
  { promptTokens, newTokens }: { promptTokens: number; newTokens: number },
): Promise<GenerateFigures> {
  const weights = trialParams(model);
  const { seqLen } = model;
  const decoder = await openDecoder(backend, {
    ...{ config: model, weights, longestPrompt: seqLen },
  });
  const prompt = (length: number) => {
    const stream = new PhiloxStream(1, STREAM.sampling);
    return Uint32Array.from({ length }, () => stream.below(model.vocabSize));
  };
  const begin = prompt(promptTokens);
  await draw(decoder, { prompt: begin, newTokens: 8 }); // does not count
  const times = await draw(decoder, { prompt: begin, newTokens });
  const lastTokens = Math.min(newTokens, Math.ceil(END_SHARE * seqLen));
  const endTokens = Math.max(1, seqLen - lastTokens);
  const endTimes = await draw(decoder, {
    ...{ prompt: prompt(endTokens), newTokens: lastTokens },
  });
  const readTokens = Math.min(seqLen, Math.max(READ_TOKENS, promptTokens));
  const { read, answerMs } = await readPrompt(decoder, prompt(readTokens));
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
    ...{ endToken: summarize(endTimes), endTokens },
    promptTokensPerSec: readTokens / read.medianMs * 1000,
    ...{ readTokens, read, answerMs },
    weightBytes,
    weightGbPerSec: weightBytes / token.medianMs / 1e6,
    memoryGbPerSec: await memorySpeed(backend),
    peakRssBytes: peak,
  };
}

/** The figures for people; pure. */
export function formatGenerate(figures: GenerateFigures): string {
  const { token, endToken } = figures;
  return formatFields([
    ["tokens/s", figures.tokensPerSec.toFixed(1)],
    [
      "ms/token",
      `${token.medianMs.toFixed(2)} (median of ${token.runs}, ` +
      `spread ${spreadPct(token).toFixed(1)} %)`,
    ],
    [
      "at the end",
      `${endToken.medianMs.toFixed(2)} ms/token, behind ` +
      `${formatCount(figures.endTokens)} tokens`,
    ],
    [
      "prompt",
      `${formatCount(figures.promptTokensPerSec)} tokens/s: ` +
      `${formatCount(figures.readTokens)} in ` +
      `${figures.read.medianMs.toFixed(1)} ms, and ` +
      `${figures.answerMs.toFixed(1)} until the answer has come`,
    ],
    [
      "weights",
      `${formatBytes(figures.weightBytes)} per token, ` +
      `${figures.weightGbPerSec.toFixed(1)} GB/s`,
    ],
    ["memory", `${figures.memoryGbPerSec.toFixed(1)} GB/s at best`],
    ["peak memory", formatBytes(figures.peakRssBytes)],
  ]);
}

/** Milliseconds of each token behind a prompt. */
async function draw(
  decoder: Decoder,
  { prompt, newTokens }: { prompt: Uint32Array; newTokens: number },
): Promise<number[]> {
  await feed(decoder, prompt);
  const { vocabSize } = decoder.config;
  const options = { ...DEFAULT_SAMPLING, seed: 1, vocabSize };
  decoder.begin({ ...options, history: prompt });
  const times: number[] = [];
  const most = decoder.executable.isQueued ? QUEUED_TOKENS : 1;
  while (times.length < newTokens) {
    const start = performance.now();
    const ids = await decoder.draw(Math.min(most, newTokens - times.length));
    const ms = (performance.now() - start) / ids.length;
    times.push(...ids.map(() => ms));
  }
  return times;
}

/** Reads a prompt some times, often enough that the answer is a small part. */
async function readPrompt(
  decoder: Decoder,
  prompt: Uint32Array,
): Promise<{ read: Timing; answerMs: number }> {
  const timesOf = async (run: () => Promise<unknown>, runs: number) => {
    const times: number[] = [];
    for (let i = 0; i < runs; i++) {
      const start = performance.now();
      await run();
      times.push(performance.now() - start);
    }
    return times;
  };
  await feed(decoder, prompt); // does not count
  const answers = await timesOf(() => decoder.logits(), ANSWERS);
  const answerMs = summarize(answers).medianMs;
  const [onceMs] = await timesOf(() => feed(decoder, prompt), 1);
  const wanted = Math.ceil(answerMs / ANSWER_SHARE / onceMs);
  const inARow = Math.min(wanted, MOST_IN_A_ROW);
  const times = await timesOf(() => feed(decoder, prompt, inARow), READ_RUNS);
  const read = summarize(
    times.map((ms) => Math.max(ms - answerMs, 0.5 * ms) / inARow),
  );
  return { read, answerMs };
}

/** Begins anew with a prompt, `times` times. */
async function feed(
  decoder: Decoder,
  prompt: Uint32Array,
  times = 1,
): Promise<void> {
  for (let i = 0; i < times; i++) {
    decoder.reset();
    await decoder.feed(prompt);
  }
  await decoder.logits(); // waits for a device that runs behind
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
