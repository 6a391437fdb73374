/**
 * Training on the CPU beside other programs that compute.
 *
 *     deno task bench:load [--profile char-cpu] [--precision bf16]
 *         [--threads 2] [--seconds 4] [--rounds 3]
 *
 * Each round measures a run alone, beside one process in a busy loop, beside
 * as many as there are cores, and beside another run of the same kind. The
 * figure is the time of all steps over their number: a median would not see
 * the steps that others hold up.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { readCpuInfo } from "../../src/backend/cpu/cores.ts";
import { formatTable } from "../../src/cli/output/table.ts";
import type { StepsFigures, StepsOrder } from "./steps.ts";

/** What else runs. */
interface Situation {
  readonly name: string;
  readonly busyLoops: number;
  /** Runs that are measured at the same time. */
  readonly runs: number;
}

const { values: flags } = parseArgs({
  options: {
    profile: { type: "string", default: "char-cpu" },
    precision: { type: "string", default: "fp32" },
    threads: { type: "string" },
    seconds: { type: "string", default: "4" },
    rounds: { type: "string", default: "3" },
  },
});
const { name: cpu, cores } = readCpuInfo();
const seconds = Number(flags.seconds), rounds = Number(flags.rounds);
const order: StepsOrder = {
  profile: flags.profile,
  precision: flags.precision as StepsOrder["precision"],
  ...flags.threads !== undefined && { threads: Number(flags.threads) },
  seconds,
};
const SITUATIONS: readonly Situation[] = [
  { name: "alone", busyLoops: 0, runs: 1 },
  { name: "beside 1 busy loop", busyLoops: 1, runs: 1 },
  ...cores === 1 ? [] : [
    { name: `beside ${cores} busy loops`, busyLoops: cores, runs: 1 },
  ],
  { name: "two runs at once, each", busyLoops: 0, runs: 2 },
];

/** A loop ends by itself should this process be killed. */
const LOOP_SECONDS = seconds + 60;

console.log(
  `${cpu}, ${cores} cores; ${order.profile} ${order.precision}, ` +
    `${order.threads ?? cores} threads`,
);
const times = SITUATIONS.map((): number[] => []);
for (let round = 0; round < rounds; round++) {
  for (const [i, situation] of SITUATIONS.entries()) {
    times[i].push(await msPerStep(situation));
  }
}
const alone = median(times[0]);
const results = SITUATIONS.map(({ name }, i) => ({
  name,
  msPerStep: median(times[i]),
  ofAlone: median(times[i]) / alone,
  rounds: times[i],
}));
console.log(
  "\n" + formatTable(
    [["", "left"], ["ms/step", "right"], ["of alone", "right"], [
      "rounds",
      "left",
    ]],
    results.map(({ name, msPerStep, ofAlone, rounds }) => [
      name,
      msPerStep.toFixed(1),
      ofAlone.toFixed(2),
      rounds.map((ms) => ms.toFixed(1)).join(" "),
    ]),
  ),
);
console.log(JSON.stringify({ cpu, cores, ...order, results }));

/** Milliseconds of a step; the mean of runs that are made at once. */
async function msPerStep({ busyLoops, runs }: Situation): Promise<number> {
  const loops = Array.from({ length: busyLoops }, startLoop);
  try {
    const started = await Promise.all(Array.from({ length: runs }, startRun));
    const figures = await Promise.all(started.map((run) => run()));
    const each = figures.map(({ steps, ms }) => ms / steps);
    return each.reduce((sum, ms) => sum + ms) / runs;
  } finally {
    for (const loop of loops) loop.kill();
    await Promise.all(loops.map(({ status }) => status));
  }
}

function startLoop(): Deno.ChildProcess {
  const code = `for (const end = Date.now() + ${1000 * LOOP_SECONDS}; ` +
    `Date.now() < end;);`;
  return new Deno.Command(Deno.execPath(), { args: ["eval", code] }).spawn();
}

/** Starts a run and waits until it is ready; what it returns lets it go. */
async function startRun(): Promise<() => Promise<StepsFigures>> {
  const script = new URL("steps.ts", import.meta.url).pathname;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", script, JSON.stringify(order)],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const lines = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const { value } = await lines.read();
  if (value !== "ready\n") throw new Error("A run has failed");
  return async () => {
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode("\n"));
    let text = "";
    for (;;) {
      const { value, done } = await lines.read();
      if (done) break;
      text += value;
    }
    await writer.close().catch(() => {}); // it may have ended
    await child.status;
    return JSON.parse(text) as StepsFigures;
  };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1];
}
