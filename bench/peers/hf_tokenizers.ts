/**
 * BPE training and encoding beside Python's `tokenizers`, in turns.
 *
 *     HEARTH_PYTHON=… deno run -A bench/peers/hf_tokenizers.ts TEXT.txt [ROUNDS]
 *
 * Every measurement is a process of its own, so that its peak memory is its
 * own, too; the median of the rounds counts. Both sides read the text by lines
 * to train, and have it in memory to encode. Stops if vocabularies, merges or
 * ids differ. Results: docs/performance.md.
 *
 * @module
 */

import { join } from "node:path";
import { loadTokenizer } from "../../src/tokenizer/load.ts";
import { BatchBuilder } from "../../src/tokenizer/text_batch.ts";
import { TextPool } from "../../src/tokenizer/text_pool.ts";
import { trainBpe } from "../../src/tokenizer/train_bpe.ts";

const PYTHON = Deno.env.get("HEARTH_PYTHON") || "python3";
const VOCAB_SIZE = 8192;
const MIN_FREQUENCY = 2;
/** Encodings per process: the first also warms up. */
const TIMES = 5;

/** What one process is to do; the same for both sides. */
type Job = Task & { text: string; out: string; threads: number };
type Task =
  | { do: "train"; vocabSize: number; minFrequency: number }
  | {
    do: "encode";
    tokenizer: string;
    /** Line by line, in a batch; else the whole text at once. */
    lines: boolean;
    times: number;
  };

interface Outcome {
  ms: number[];
  peakBytes: number;
}

if (Deno.args[0] === "--job") {
  const { ms } = await doJob(JSON.parse(Deno.args[1]));
  const status = Deno.readTextFileSync("/proc/self/status");
  const peakBytes = 1024 * Number(/VmHWM:\s+(\d+)/.exec(status)![1]);
  console.log(JSON.stringify({ ms, peakBytes }));
} else await compare(Deno.args[0], Number(Deno.args[1] ?? 3));

async function compare(text: string | undefined, rounds: number) {
  if (text === undefined) {
    console.error("usage: hf_tokenizers.ts TEXT.txt [ROUNDS]");
    Deno.exit(2);
  }
  const dir = await Deno.makeTempDir({ prefix: "hearth-tokenizers-" });
  const megabytes = (await Deno.stat(text)).size / 1e6;
  const tokenizer = join(dir, "hearth.json");
  const train: Task = {
    do: "train",
    vocabSize: VOCAB_SIZE,
    minFrequency: MIN_FREQUENCY,
  };
  const encode = (lines: boolean): Task => ({
    do: "encode",
    tokenizer,
    lines,
    times: TIMES,
  });
  const tasks: [name: string, task: Task, threads: number][] = [
    [`train ${VOCAB_SIZE}, 1 thread`, train, 1],
    [`train ${VOCAB_SIZE}, 2 threads`, train, 2],
    ["encode, 1 thread", encode(false), 1],
    ["encode lines, 1 thread", encode(true), 1],
    ["encode lines, 2 threads", encode(true), 2],
  ];
  try {
    console.log(`${text}: ${megabytes.toFixed(2)} MB`);
    for (const [name, task, threads] of tasks) {
      const ours: Outcome[] = [], theirs: Outcome[] = [];
      const file = join(
        dir,
        task.do === "train" ? "hearth.json" : "hearth.ids",
      );
      const other = join(dir, "python.out");
      for (let round = 0; round < rounds; round++) {
        const job: Job = { ...task, text, threads, out: file };
        ours.push(await run(here(job)));
        theirs.push(await run(python({ ...job, out: other })));
      }
      await (task.do === "train" ? sameTokenizer : sameIds)(file, other);
      report(name, { ours, theirs, megabytes });
    }
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

function here(job: Job): Deno.Command {
  const script = new URL(import.meta.url).pathname;
  const args = ["run", "-A", script, "--job", JSON.stringify(job)];
  return new Deno.Command(Deno.execPath(), { args, stderr: "inherit" });
}

function python(job: Job): Deno.Command {
  const script = new URL("hf_tokenizers.py", import.meta.url).pathname;
  return new Deno.Command(PYTHON, {
    args: [script, JSON.stringify(job)],
    env: { RAYON_NUM_THREADS: String(job.threads) },
    stderr: "inherit",
  });
}

async function run(command: Deno.Command): Promise<Outcome> {
  const { success, stdout } = await command.output();
  if (!success) throw new Error("A measurement failed");
  return JSON.parse(new TextDecoder().decode(stdout));
}

/** Does a job in this process. */
async function doJob(job: Job): Promise<{ ms: number[] }> {
  if (job.do === "train") {
    const { vocabSize, minFrequency, threads } = job;
    const start = performance.now();
    const json = await trainBpe(linesOf(job.text), {
      vocabSize,
      minFrequency,
      threads,
    });
    const ms = performance.now() - start;
    await Deno.writeTextFile(job.out, json);
    return { ms: [ms] };
  }
  const json = await Deno.readTextFile(job.tokenizer);
  const tokenizer = await loadTokenizer(json);
  const text = await Deno.readTextFile(job.text);
  const lines = text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
  const ms: number[] = [];
  using pool = new TextPool({ kind: "encode", json, type: "bpe" }, job.threads);
  let ids: Uint32Array[] = [];
  for (let time = 0; time < job.times; time++) {
    const start = performance.now();
    ids = !job.lines
      ? [tokenizer.encode(text)]
      : job.threads === 1
      ? lines.map((line) => tokenizer.encode(line))
      : await encodeInThreads(pool, lines);
    ms.push(performance.now() - start);
  }
  await Deno.writeFile(job.out, new Uint8Array(joined(ids).buffer));
  return { ms };
}

async function encodeInThreads(pool: TextPool<"encode">, lines: string[]) {
  const results: Promise<{ ids: Uint32Array }>[] = [];
  const batches = new BatchBuilder(async (batch) => {
    results.push((await pool.submit(batch)).result);
  });
  for (const line of lines) await batches.add(line);
  await batches.flush();
  return (await Promise.all(results)).map(({ ids }) => ids);
}

async function* linesOf(path: string): AsyncGenerator<string> {
  using file = await Deno.open(path);
  let rest = "";
  const text = file.readable.pipeThrough(new TextDecoderStream());
  for await (const chunk of text) {
    const lines = (rest + chunk).split(/(?<=\n)/);
    rest = lines.pop()!;
    yield* lines;
  }
  if (rest !== "") yield rest;
}

async function sameTokenizer(ours: string, theirs: string): Promise<void> {
  const model = async (path: string) => {
    const { model } = JSON.parse(await Deno.readTextFile(path));
    return JSON.stringify([Object.entries(model.vocab), model.merges]);
  };
  if (await model(ours) !== await model(theirs)) {
    throw new Error("The vocabularies or the merges differ");
  }
}

async function sameIds(ours: string, theirs: string): Promise<void> {
  const [a, b] = await Promise.all([ours, theirs].map((p) => Deno.readFile(p)));
  if (a.length !== b.length || !a.every((byte, i) => byte === b[i])) {
    throw new Error("The ids differ");
  }
}

function joined(parts: Uint32Array[]): Uint32Array<ArrayBuffer> {
  const all = new Uint32Array(
    parts.reduce((sum, { length }) => sum + length, 0),
  );
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

function report(
  name: string,
  { ours, theirs, megabytes }: {
    ours: Outcome[];
    theirs: Outcome[];
    megabytes: number;
  },
): void {
  const rate = (outcomes: Outcome[]) =>
    1000 * megabytes / median(outcomes.map(({ ms }) => median(ms)));
  const peak = (outcomes: Outcome[]) =>
    median(outcomes.map(({ peakBytes }) => peakBytes)) / 1e6;
  const side = (outcomes: Outcome[]) =>
    `${rate(outcomes).toFixed(1).padStart(7)} MB/s ` +
    `${peak(outcomes).toFixed(0).padStart(5)} MB`;
  console.log(
    `${name.padEnd(24)} hearth ${side(ours)}   python ${side(theirs)}   ` +
      `${(rate(ours) / rate(theirs)).toFixed(1)} x`,
  );
}

function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
}
