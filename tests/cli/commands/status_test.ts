import assert from "node:assert/strict";
import { formatRuns } from "../../../src/cli/commands/runs.ts";
import {
  formatStateLine,
  formatStatus,
} from "../../../src/cli/output/status_text.ts";
import {
  initialRunState,
  type RunState,
} from "../../../src/run/files/run_state.ts";
import type { RunInfo } from "../../../src/run/files/runs.ts";
import { NO_TELEMETRY } from "../../../src/run/telemetry/telemetry.ts";

/** A local time of the day on which the tests are run, by their own clock. */
const at = (hours: number, minutes: number, seconds = 0) =>
  new Date(2026, 0, 2, hours, minutes, seconds);
const NOW = at(17, 42, 55).getTime();

const RUNNING: RunState = {
  ...initialRunState("owl-1", "running"),
  pid: 4242,
  alive: true,
  device: "cpu: AMD EPYC 7763, 8 threads",
  requestedDevice: "cuda:1",
  precision: "fp32",
  epoch: 0.24,
  epochs: 1,
  step: 1200,
  totalSteps: 5000,
  trainLoss: 2.81234,
  valLoss: 2.9,
  bestValLoss: 2.85,
  tokensPerSec: 12_345.6,
  elapsedMs: 80_000,
  remainingMs: 125_000,
  etaAt: at(17, 45).toISOString(),
  tokens: 2_457_600,
  lastCheckpoint: "step-00001000",
  telemetry: {
    ...NO_TELEMETRY,
    cpuPct: 787,
    machineCpuPct: 98,
    rssBytes: 312e6,
  },
  updatedAt: new Date(NOW - 400).toISOString(),
};

Deno.test("formatStatus() of a run that trains", () => {
  assert.equal(
    formatStatus(RUNNING, NOW),
    `\
run         owl-1
status      running, process 4242
device      cpu: AMD EPYC 7763, 8 threads, fp32 (asked for cuda:1)
progress    step 1,200 of 5,000, epoch 0.24 of 1.00
loss        train 2.8123, val 2.9000 (best 2.8500)
speed       12,346 tok/s, 2,457,600 tokens so far
time        1m 20s trained, 2m 05s left (ETA 17:45)
machine     CPU 787 %, machine 98 %, memory 312.0 MB, GPU n/a
checkpoint  step-00001000`,
  );
});

/** One field of the text of {@linkcode RUNNING} with other values. */
function field(name: string, change: Partial<RunState>): string | undefined {
  const text = formatStatus({ ...RUNNING, ...change }, NOW);
  const line = text.split("\n").find((line) => line.startsWith(`${name} `));
  return line?.slice(12);
}

Deno.test("formatStatus() shows what the GPU reports", () => {
  const telemetry = {
    ...NO_TELEMETRY,
    gpuUtilPct: 93.4,
    vramUsedBytes: 4.1e9,
    vramTotalBytes: 16e9,
    powerW: 200.2,
    tempC: 61,
  };
  assert.equal(
    field("machine", { telemetry }),
    "CPU n/a, machine n/a, memory n/a, GPU 93 %, 4.1 GB of 16.0 GB, 200 W, " +
      "61 °C",
  );
});

Deno.test("formatStatus() leaves out what the GPU does not report", () => {
  const machine = (telemetry: Partial<RunState["telemetry"]>) =>
    field("machine", { telemetry: { ...NO_TELEMETRY, ...telemetry } });
  const before = "CPU n/a, machine n/a, memory n/a, ";
  assert.equal(
    machine({ gpuUtilPct: 41, vramUsedBytes: 4.1e9 }),
    `${before}GPU 41 %, 4.1 GB`,
  );
  assert.equal(
    machine({ vramTotalBytes: 16e9, tempC: 47 }),
    `${before}GPU n/a, 47 °C`,
  );
});

Deno.test("formatStatus() says what is being prepared", () => {
  const preparing = { stage: "tokenizing", fraction: 0.409 };
  assert.equal(
    field("status", { status: "preparing", preparing }),
    "preparing (tokenizing 40 %), process 4242",
  );
  const unknown = { stage: "reading data", fraction: null };
  assert.equal(
    field("status", { status: "preparing", preparing: unknown }),
    "preparing (reading data), process 4242",
  );
});

Deno.test("formatStatus() tells when a state is old", () => {
  const updatedAt = new Date(NOW - 75_000).toISOString();
  assert.equal(
    field("updated", { updatedAt }),
    "1m ago; is the process suspended, the disk full, or does the device hang?",
  );
  assert.equal(
    field("updated", { updatedAt: new Date(NOW - 4900).toISOString() }),
    undefined,
  );
  // An hour ahead: the clock was set back.
  const ahead = new Date(NOW + 3_600_000).toISOString();
  assert.equal(field("updated", { updatedAt: ahead }), undefined);
  const ended = { status: "interrupted", alive: false, updatedAt } as const;
  assert.equal(field("updated", ended), "1m ago");
  assert.equal(field("status", ended), "interrupted, its process is gone");
  assert.equal(field("machine", ended), undefined);
});

Deno.test("formatStatus() of a run that has just begun knows nothing yet", () => {
  const state = initialRunState("owl-1", "preparing");
  assert.equal(
    formatStatus({ ...state, updatedAt: RUNNING.updatedAt }, NOW),
    `\
run         owl-1
status      preparing
device      n/a, n/a
progress    step n/a of n/a, epoch n/a of n/a
loss        train n/a, val n/a (best n/a)
speed       n/a tok/s, n/a tokens so far
time        n/a trained
checkpoint  none
updated     now`,
  );
});

Deno.test("formatStatus() ends with the newest warnings and the error", () => {
  const state: RunState = {
    ...initialRunState("owl-1", "failed"),
    warnings: ["one", "two", "three", "four", "five"],
    error: "the disk is full",
  };
  assert.deepEqual(formatStatus(state, NOW).split("\n").slice(9), [
    "warnings    2 more",
    "warning     three",
    "warning     four",
    "warning     five",
    "error       the disk is full",
  ]);
});

Deno.test("formatStateLine() is one line at every stage", () => {
  assert.equal(
    formatStateLine(RUNNING),
    "running | step 1200/5000 | loss 2.8123 | val loss 2.9000 | " +
      "12,346 tok/s | eta 2m 05s",
  );
  assert.equal(
    formatStateLine({ ...RUNNING, status: "completed", alive: false }),
    "completed | step 1200/5000 | loss 2.8123 | val loss 2.9000",
  );
  const preparing = { stage: "tokenizing", fraction: 0.5 };
  assert.equal(
    formatStateLine({ ...RUNNING, status: "preparing", step: null, preparing }),
    "preparing (tokenizing 50 %), process 4242",
  );
});

const info = (runId: string, change: Partial<RunInfo> = {}): RunInfo => ({
  runId,
  meta: null,
  state: RUNNING,
  broken: null,
  startedAt: new Date(NOW - 200_000).toISOString(),
  ...change,
});
const RUNS = [
  info("owl-1"),
  info("fox-12", {
    state: {
      ...initialRunState("fox-12", "completed"),
      step: 30,
      totalSteps: 30,
      epoch: 3,
      device: "gpu:0: NVIDIA H200",
      trainLoss: 1.5,
    },
    startedAt: new Date(NOW - 90_000_000).toISOString(),
  }),
  info("elk-1", {
    state: null,
    broken: 'Cannot read "runs/elk-1/state.json": it is not JSON',
    startedAt: null,
  }),
];

Deno.test("formatRuns() lists runs, and says what is broken", () => {
  assert.equal(
    formatRuns(RUNS, { now: NOW, width: Infinity }),
    `\
run     status     epoch       step    loss  val loss  device  GPU %    memory     ETA  started
owl-1   running     0.24  1200/5000  2.8123    2.9000  cpu         -  312.0 MB  2m 05s   3m ago
fox-12  completed   3.00      30/30  1.5000         -  gpu:0       -         -       -   1d ago
elk-1   broken         -          -       -         -  -           -         -       -        -

! elk-1: Cannot read "runs/elk-1/state.json": it is not JSON`,
  );
});

for (
  const [width, header] of [
    [95, "run status epoch step loss val loss device GPU % memory ETA started"],
    [94, "run status epoch step loss val loss device GPU % ETA started"],
    [85, "run status epoch step loss val loss device GPU % ETA started"],
    [84, "run status epoch step loss val loss device ETA started"],
    [77, "run status epoch step loss val loss ETA started"],
    [60, "run status step loss val loss ETA"],
    [50, "run status step loss val loss"],
    [30, "run status step"],
    [20, "run status"],
    [10, "run st"], // cut
  ] as const
) {
  Deno.test(`formatRuns() fits a terminal of ${width} columns`, () => {
    const text = formatRuns(RUNS.slice(0, 2), { now: NOW, width });
    const lines = text.split("\n");
    assert.ok(lines.every((line) => line.length <= width), text);
    assert.equal(lines[0].trim().replace(/ +/g, " "), header);
  });
}

Deno.test("formatRuns() shows the GPU that trains", () => {
  const telemetry = {
    ...RUNNING.telemetry,
    gpuUtilPct: 93.4,
    vramUsedBytes: 4.1e9,
  };
  const run = info("owl-1", { state: { ...RUNNING, telemetry } });
  const text = formatRuns([run], { now: NOW, width: Infinity });
  assert.match(text, / cpu {8}93 {2}4\.1 GB {2}2m 05s /);
});

Deno.test("formatRuns() lists fifty runs", () => {
  const runs = Array.from({ length: 50 }, (_, i) => info(`owl-${i}`));
  const text = formatRuns(runs, { now: NOW, width: 80 });
  assert.equal(text.split("\n").length, 51);
});
