/**
 * All that is worth knowing of a GPU in one go, in less than five minutes:
 *
 *     deno task bench:gpu [--adapter gpu:0] [--model NAME…] [--small]
 *
 * What it reaches at best; steps of `shakespeare-char` and `gpt2-small` (B8
 * T1024) in fp32, bf16 and fp16, in fp32 also with every op in a kernel of its
 * own; each kind of kernel beside the least it can take; the largest products
 * with other cuts. Tables, then one line of JSON. With `--small`, sizes that a
 * software adapter can do.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { errorMessage } from "../src/base/errors.ts";
import { formatBytes, formatCount } from "../src/base/format.ts";
import { listAdapters } from "../src/backend/webgpu/adapters.ts";
import type { StoredPrecision } from "../src/backend/webgpu/two_bytes.ts";
import { openWebGpuBackend } from "../src/backend/webgpu/webgpu_backend.ts";
import { benchModel } from "../src/cli/bench/bench_model.ts";
import { surroundings } from "../src/cli/bench/machine.ts";
import type { FlagSetting } from "../src/config/parse.ts";
import { formatTable } from "../src/cli/output/table.ts";
import { measurePeaks } from "./gpu/peaks.ts";
import { compareSplits, type SplitFigures } from "./gpu/splits.ts";
import {
  measureStep,
  type OpTime,
  type StepCase,
  type StepFigures,
} from "./gpu/step_case.ts";

/** Sizes of models where they are not those of the profile. */
const SIZES: Record<string, FlagSetting[]> = {
  "gpt2-small": settings({ "train.batchSize": 8, "model.seqLen": 1024 }),
};
/** What takes a software adapter a second. */
const SMALL = settings({
  ...{ "train.batchSize": 2, "model.seqLen": 32, "model.nLayer": 1 },
  ...{ "model.nEmbd": 64, "model.dropout": 0.1, "model.bias": true },
});

const { values: flags } = parseArgs({
  options: {
    adapter: { type: "string" },
    model: { type: "string", multiple: true },
    seconds: { type: "string" },
    small: { type: "boolean", default: false },
  },
});
const { small } = flags;
const seconds = Number(flags.seconds ?? (small ? 0.1 : 1.5));
if (!(seconds > 0)) refuse(`--seconds is "${flags.seconds}"`);
const models = flags.model ??
  (small ? ["char-cpu"] : ["shakespeare-char", "gpt2-small"]);

const adapters = await listAdapters();
const adapter = adapters.find(({ info: { id } }) =>
  flags.adapter === undefined || id === flags.adapter
);
if (!adapter) {
  const names = adapters.map(({ info }) => `${info.id} (${info.name})`);
  refuse(
    `There is no such WebGPU adapter; there are: ${names.join(", ") || "none"}`,
  );
}

const started = performance.now();
const backend = await openWebGpuBackend(adapter);
const where = await surroundings(backend.device);
console.log(
  `${where.device}, Deno ${Deno.version.deno}, commit ${where.commit}`,
);
const peaks = await measurePeaks(backend, {
  side: small ? 256 : 4096,
  numbers: small ? 2 ** 18 : 2 ** 26,
});
console.log(
  `products ${peaks.tflops.toPrecision(3)} TFLOP/s, memory ` +
    `${peaks.gbPerSec.toFixed(0)} GB/s: the least times below are by these\n`,
);

const steps: StepFigures[] = [];
const failed: { case: string; reason: string }[] = [];
const splits: SplitFigures[] = [];
for (const name of models) {
  const sizes = [...SIZES[name] ?? [], ...small ? SMALL : []];
  const bench = await benchModel(name, sizes)
    .catch((error) => refuse(errorMessage(error)));
  const cases: StepCase[] = [
    { bench, precision: "fp32", fuse: true, byOp: true },
    { bench, precision: "fp32", fuse: false, byOp: true },
    ...(["bf16", "fp16"] as const).map((precision: StoredPrecision) => ({
      ...{ bench, precision, fuse: true, byOp: true },
    })),
  ];
  for (const one of cases) {
    const title = `${name}, ${one.precision}` +
      (one.fuse ? "" : ", every op by itself");
    try {
      const figures = await measureStep(adapter, one, { peaks, seconds });
      steps.push(figures);
      console.log(`${title}\n${formatStep(figures)}\n`);
    } catch (error) {
      failed.push({ case: title, reason: errorMessage(error) });
      console.log(`${title}: ${errorMessage(error)}\n`);
    }
  }
  const found = await compareSplits(backend, bench);
  splits.push(...found);
  console.log(`${name}, products with other cuts\n${formatSplits(found)}\n`);
}
await backend.dispose();
const tookSec = (performance.now() - started) / 1000;
console.log(`all in ${tookSec.toFixed(0)} s`);
console.log(JSON.stringify({
  bench: "gpu",
  ...{ ...where, peaks, steps, splits, failed, tookSec },
}));

function refuse(message: string): never {
  console.error(message);
  Deno.exit(2);
}

function settings(values: Record<string, unknown>): FlagSetting[] {
  return Object.entries(values)
    .map(([path, value]) => ({ path, value, typed: path }));
}

/** One case for people. */
function formatStep(figures: StepFigures): string {
  const { ops, msPerStep, idealMs } = figures;
  const all = (of: (op: OpTime) => number | null) =>
    ops.reduce((sum, op) => sum + (of(op) ?? NaN), 0);
  const head = `${formatCount(figures.tokensPerSec)} tokens/s, ` +
    `${msPerStep.toFixed(2)} ms/step (${figures.spreadPct.toFixed(1)} % ` +
    `apart; at least ${idealMs.toFixed(2)}), ${figures.dispatches} ` +
    `dispatches, ${formatBytes(figures.memoryBytes)}`;
  const number = (ms: number | null) => ms?.toFixed(3) ?? "n/a";
  const table = formatTable(
    [
      ["op", "left"],
      ["calls", "right"],
      ["ms", "right"],
      ["in order", "right"],
      ["at least", "right"],
      ["GFLOP", "right"],
      ["MB", "right"],
    ],
    [...ops, {
      op: "all",
      dispatches: figures.dispatches,
      ms: all((op) => op.ms),
      inOrderMs: ops[0]?.inOrderMs === null ? null : all((op) => op.inOrderMs),
      idealMs,
      gflop: all((op) => op.gflop),
      megabytes: all((op) => op.megabytes),
    }].map((op) => [
      op.op,
      `${op.dispatches}`,
      number(op.ms),
      number(op.inOrderMs),
      number(op.idealMs),
      op.gflop.toFixed(1),
      op.megabytes.toFixed(0),
    ]),
  );
  return `${head}\n${table}`;
}

/** Products for people. */
function formatSplits(found: readonly SplitFigures[]): string {
  return formatTable(
    [
      ["product", "left"],
      ["chosen", "left"],
      ["GFLOP/s", "right"],
      ["best", "left"],
      ["GFLOP/s", "right"],
    ],
    found.map((one) => [
      one.shape,
      one.chosen,
      (1000 * one.chosenTflops).toFixed(0),
      one.best,
      (1000 * one.bestTflops).toFixed(0),
    ]),
  );
}
