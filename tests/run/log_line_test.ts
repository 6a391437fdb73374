import assert from "node:assert/strict";
import { configSchema } from "../../src/config/schema.ts";
import { formatDevice, logLines } from "../../src/run/log_line.ts";
import type { RunEvent, RunOpened } from "../../src/run/run_event.ts";

const progress = {
  step: 120,
  totalSteps: 2000,
  epoch: 0.06,
  epochs: 1,
  tokens: 245_760,
  elapsedMs: 12_300,
  remainingMs: 192_000,
};

const lines: [string, RunEvent, string[]][] = [
  [
    "a logged step",
    {
      kind: "step",
      trainLoss: 3.28109,
      gradNorm: 0.8412,
      lr: 6e-4,
      dtMs: 41.23,
      tokensPerSec: 99_345.3,
      skipped: false,
      log: true,
      ...progress,
    },
    ["step  120/2000 | loss 3.2811 | norm 0.84 | lr 6.0e-4 |  99,345 tok/s | eta 3m 12s"],
  ],
  [
    "a step that was skipped, without history",
    {
      kind: "step",
      trainLoss: NaN,
      gradNorm: Infinity,
      lr: 6e-4,
      dtMs: 41.23,
      tokensPerSec: 512,
      skipped: true,
      log: true,
      ...progress,
      remainingMs: null,
    },
    ["step  120/2000 | loss NaN | norm Infinity | lr 6.0e-4 |     512 tok/s | eta n/a"],
  ],
  [
    "a step between two logged ones",
    {
      kind: "step",
      trainLoss: 3,
      gradNorm: 1,
      lr: 1,
      dtMs: 1,
      tokensPerSec: 1,
      skipped: false,
      log: false,
      ...progress,
    },
    [],
  ],
  [
    "an evaluation that is the best",
    {
      kind: "eval",
      valLoss: 3.31,
      valBpb: 1.2345,
      bestValLoss: 3.31,
      best: true,
      sources: [],
      dtMs: 1,
      ...progress,
    },
    ["eval  120/2000 | val loss 3.3100 | 1.2345 bits/byte | best so far"],
  ],
  [
    "an evaluation that is not",
    {
      kind: "eval",
      valLoss: 3.31,
      valBpb: 1.2345,
      bestValLoss: 3.2,
      best: false,
      sources: [
        { name: "wikitext-2", valLoss: 3.5, valBpb: 1, tokens: 9 },
        { name: "./my/notes/", valLoss: 3.1, valBpb: 1, tokens: 9 },
      ],
      dtMs: 1,
      ...progress,
    },
    [
      "eval  120/2000 | val loss 3.3100 | 1.2345 bits/byte | best 3.2000 | " +
      "wikitext-2 3.5000 | notes 3.1000",
    ],
  ],
  [
    "a checkpoint",
    {
      kind: "checkpoint",
      name: "step-00000120",
      sizeBytes: 48e6,
      best: false,
      dtMs: 1,
      ...progress,
    },
    ["save  120/2000 | step-00000120 | 48.0 MB"],
  ],
  [
    "a warning",
    { kind: "warning", message: "no luck", ...progress },
    ["warning: no luck"],
  ],
  [
    "the end",
    { kind: "done", reason: "finished", ...progress },
    ["done  120/2000 | finished | 245,760 tokens in 12s"],
  ],
  [
    "a run that opens",
    {
      kind: "opened",
      runId: "owl-1",
      dir: "runs/owl-1",
      config: configSchema.parse({ data: { dataset: ["a.txt", "b.txt"] } }),
      device: {
        backend: "cpu",
        id: "cpu",
        name: "AMD EPYC 7763",
        threads: 8,
        kernels: "",
      },
      parameterCount: 1_067_776,
      trainableCount: 1_067_776,
      lora: null,
      totalSteps: 1500,
      stepsPerEpoch: 1000,
      epochs: 1.5,
      memoryBytes: 123_456_789,
      checkpointBytes: 12_813_312,
      trainTokens: 1_024_000,
      valTokens: 100_000,
      resumedFrom: { checkpoint: "step-00000500", step: 500 },
      isExtended: false,
      changes: [],
      notes: [],
      lrPlan: { schedule: "cosine", policy: null, points: [] },
      bestValLoss: 2.5,
    },
    [
      "run     owl-1 in runs/owl-1, resumed from step-00000500",
      "device  cpu: AMD EPYC 7763, 8 threads, fp32",
      "model   gpt2, 1.1M parameters (nLayer 4, nHead 4, nEmbd 128, seqLen 128)",
      "memory  123.5 MB to train, 12.8 MB on disk per checkpoint",
      "data    a.txt, b.txt: 1,024,000 tokens to train on, 100,000 to validate on",
      "plan    1,500 steps of 1,024 tokens = 1.50 epochs",
    ],
  ],
];

/** The lines of `lines` that open a run, with others after them. */
const opened = lines.at(-1)!;

lines.push(
  [
    "a run that is extended",
    {
      ...opened[1] as RunOpened,
      isExtended: true,
      changes: [
        { path: "train.batchSize", from: 8, to: 16 },
        { path: "train.minLr", from: 1e-5, to: null },
      ],
      notes: ["This is worth a note"],
      lrPlan: {
        schedule: "cosine",
        policy: "rewarm",
        points: [{ step: 501, lr: 1.1e-4 }, { step: 600, lr: 1e-3 }],
      },
    },
    [
      ...opened[2],
      "more    1,000 steps = 1.00 epochs, from step 500",
      "change  train.batchSize 8 -> 16",
      "change  train.minLr 0.00001 -> default",
      "note    This is worth a note",
      "rate    warms up again, then the cosine schedule (--lr-policy rewarm)",
      "        1.1e-4 at step 501, 1.0e-3 at step 600",
    ],
  ],
  [
    "a run with another setting",
    {
      ...opened[1] as RunOpened,
      changes: [{ path: "train.lr", from: 1e-3, to: 2e-3 }],
      lrPlan: {
        schedule: "linear",
        policy: null,
        points: [{ step: 501, lr: 1e-3 }, { step: 1500, lr: 1e-4 }],
      },
    },
    [
      ...opened[2],
      "change  train.lr 0.001 -> 0.002",
      "rate    goes on with the linear schedule",
      "        1.0e-3 at step 501, 1.0e-4 at step 1,500",
    ],
  ],
  [
    "a run whose rate stays the same",
    {
      ...opened[1] as RunOpened,
      isExtended: true,
      lrPlan: {
        schedule: "wsd",
        policy: "constant",
        points: [{ step: 501, lr: 1e-4 }, { step: 1500, lr: 1e-4 }],
      },
    },
    [
      ...opened[2],
      "more    1,000 steps = 1.00 epochs, from step 500",
      "rate    1.0e-4 to the end (--lr-policy constant)",
    ],
  ],
);

for (const [what, event, expected] of lines) {
  Deno.test(`logLines() of ${what}`, () => {
    assert.deepEqual(logLines(event), expected);
  });
}

Deno.test("formatDevice() counts threads where there are any", () => {
  const gpu = {
    backend: "webgpu",
    id: "gpu:0",
    name: "H100",
    kernels: "",
  } as const;
  assert.equal(formatDevice(gpu), "gpu:0: H100");
  const cpu = { backend: "cpu", id: "cpu", name: "M2", kernels: "" } as const;
  assert.equal(formatDevice({ ...cpu, threads: 1 }), "cpu: M2, 1 thread");
});
