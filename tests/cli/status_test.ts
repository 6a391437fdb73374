import assert from "node:assert/strict";
import { formatRuns } from "../../src/cli/runs.ts";
import { formatStatus } from "../../src/cli/status.ts";
import { initialRunState, type RunState } from "../../src/run/run_state.ts";

const RUNNING: RunState = {
  ...initialRunState("owl-1", "running"),
  pid: 4242,
  alive: true,
  device: "cpu: AMD EPYC 7763, 8 threads",
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
  etaAt: "2026-01-02T17:45:00.000Z",
  tokens: 2_457_600,
  lastCheckpoint: "step-00001000",
};

Deno.test("formatStatus() of a run that trains", () => {
  assert.equal(
    formatStatus(RUNNING),
    `\
run         owl-1
status      running, process 4242
device      cpu: AMD EPYC 7763, 8 threads, fp32
progress    step 1,200 of 5,000, epoch 0.24 of 1.00
loss        train 2.8123, val 2.9000 (best 2.8500)
speed       12,346 tok/s, 2,457,600 tokens so far
time        1m 20s trained, 2m 05s left (ETA 2026-01-02T17:45:00.000Z)
checkpoint  step-00001000`,
  );
});

Deno.test("formatStatus() of a run that has just begun knows nothing yet", () => {
  assert.equal(
    formatStatus(initialRunState("owl-1", "preparing")),
    `\
run         owl-1
status      preparing
device      n/a, n/a
progress    step n/a of n/a, epoch n/a of n/a
loss        train n/a, val n/a (best n/a)
speed       n/a tok/s, n/a tokens so far
time        n/a trained
checkpoint  none`,
  );
});

Deno.test("formatStatus() ends with the newest warnings and the error", () => {
  const state: RunState = {
    ...initialRunState("owl-1", "failed"),
    warnings: ["one", "two", "three", "four", "five"],
    error: "the disk is full",
  };
  assert.deepEqual(formatStatus(state).split("\n").slice(8), [
    "warnings    2 more",
    "warning     three",
    "warning     four",
    "warning     five",
    "error       the disk is full",
  ]);
});

Deno.test("formatRuns() lists good and broken runs", () => {
  const good = {
    runId: "owl-1",
    meta: null,
    state: RUNNING,
    broken: null,
    startedAt: "2026-01-02T16:05:06.000Z",
  };
  const broken = {
    runId: "fox-12",
    meta: null,
    state: null,
    broken: "gone",
    startedAt: null,
  };
  assert.equal(
    formatRuns([good, broken]),
    `\
run     status        step   train     val    best  started
owl-1   running  1200/5000  2.8123  2.9000  2.8500  2026-01-02 16:05
fox-12  broken           -       -       -       -  -`,
  );
});
