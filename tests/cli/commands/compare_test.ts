import assert from "node:assert/strict";
import { formatComparison } from "../../../src/cli/output/compare_text.ts";
import type {
  Comparison,
  RunSummary,
} from "../../../src/run/watch/comparison.ts";
import { alignCurves, type Curve } from "../../../src/run/watch/curve_table.ts";
import { FakeRun } from "../../run/_fake_run.ts";
import { Workspace } from "../_workspace.ts";

const summary: RunSummary = {
  runId: "owl-1",
  status: "completed",
  device: "cpu: AMD EPYC 7763 64-Core Processor, 8 threads",
  parameterCount: 1_064_960,
  step: 3000,
  totalSteps: 3000,
  tokens: 1_536_000,
  trainLoss: 0.58312,
  valLoss: 0.54251,
  bestValLoss: 0.54251,
  valBpb: 0.248,
  elapsedMs: 94_000,
  tokensPerSec: 17_246.3,
};
const other: RunSummary = {
  ...summary,
  runId: "fox-12",
  status: "failed",
  device: null,
  parameterCount: null,
  valBpb: null,
};
const curves: Curve[] = ["owl-1", "fox-12"].map((runId, run) => ({
  runId,
  points: [0, 1000, 2000].map((step, i) => ({
    step,
    tokens: 512 * step,
    value: 6 - 2 * i + run,
  })),
}));
const comparison: Comparison = {
  runs: [summary, other],
  settings: [
    { path: "train.lr", values: [0.001, 0.0003] },
    { path: "train.steps", values: [3000, undefined] },
    { path: "data.dataset", values: ["x".repeat(40), [{ source: "a" }]] },
  ],
  measure: "valLoss",
  curves,
  table: alignCurves(curves),
  notes: ["the texts differ"],
};

Deno.test("formatComparison() knows runs that have not begun", () => {
  const step = { step: null, totalSteps: null };
  const runs = [{ ...summary, ...step }, other];
  assert.match(
    formatComparison({ ...comparison, runs }, Infinity),
    /^steps +n\/a +3,000\/3,000$/m,
  );
});

Deno.test("formatComparison() shows results, settings, losses and curves", () => {
  assert.equal(
    formatComparison(comparison, Infinity),
    `\
result                                    owl-1       fox-12
status                                completed       failed
device         cpu: AMD EPYC 7763 64-Core Proc…          n/a
parameters                                 1.1M          n/a
steps                               3,000/3,000  3,000/3,000
tokens                                1,536,000    1,536,000
train loss                               0.5831       0.5831
val loss                                 0.5425       0.5425
best val loss                            0.5425       0.5425
bits/byte                                0.2480          n/a
time                                     1m 34s       1m 34s
tok/s                                    17,246       17,246

setting                                  owl-1            fox-12
train.lr                                 0.001            0.0003
train.steps                               3000                 -
data.dataset  xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…  [{"source":"a"}]

Validation loss (nats per token) at the same step:
step    owl-1  fox-12
0      6.0000  7.0000
1,000  4.0000  5.0000
2,000  2.0000  3.0000

Validation loss (nats per token):
  │2
  │
 6┤1
  │
  │                                    2
  │
 4┤                                    1
  │
  │                                                                        2
  │
 2┤                                                                        1
  └┬─────────────────┬─────────────────┬─────────────────┬─────────────────┬
   0                500              1000              1500             2000
   step   1 owl-1   2 fox-12

note: the texts differ`,
  );
});

Deno.test("formatComparison() breaks tables between runs in a narrow terminal", () => {
  for (const width of [80, 60, 40, 28]) {
    const text = formatComparison(comparison, width);
    const wide = text.split("\n").filter((line) =>
      line.length > width && !line.startsWith("Validation loss")
    );
    assert.deepEqual(wide, []);
    // One table or two: every result is there.
    assert.equal(text.match(/3,000\/3,000/g)?.length, 2, text);
  }
});

Deno.test("formatComparison() says when nothing differs or is known", () => {
  const text = formatComparison({
    ...comparison,
    settings: [],
    curves: [],
    table: { by: "step", interpolated: false, rows: [] },
    notes: [],
  }, 80);
  assert.ok(text.endsWith("\n\nAll settings are the same."));
});

Deno.test("formatComparison() says what the numbers stand for", () => {
  const text = formatComparison({
    ...comparison,
    measure: "valBpb",
    table: { by: "tokens", interpolated: true, rows: comparison.table.rows },
  }, 80);
  assert.ok(text.includes(
    "\nValidation loss (bits per byte) at the same number of training " +
      "tokens, interpolated:\ntokens ",
  ));
});

Deno.test("hearth compare takes two runs or more", async () => {
  await using workspace = await Workspace.create();
  for (const runId of ["owl-1", "fox-1"]) {
    await using run = new FakeRun(workspace.root, runId);
    await run.begin();
    await run.end("completed");
  }
  const { code, out } = await workspace.run(["compare", "owl", "fox-1"]);
  assert.equal(code, 0);
  assert.match(out, /^result +owl-1 +fox-1\nstatus +completed +completed\n/);
  assert.match(out, /\nnote: owl-1: Cannot read "ROOT.+meta\.json": there is/);
  const json = await workspace.run(["compare", "owl", "fox", "--json"]);
  const { runs } = JSON.parse(json.out);
  assert.deepEqual(
    runs.map(({ runId }: RunSummary) => runId),
    ["owl-1", "fox-1"],
  );

  const same = await workspace.run(["compare", "owl-1", "owl"]);
  assert.deepEqual([same.code, same.err], [
    2,
    'error: Cannot compare "owl-1" with itself\n' +
    "hint: name another run as well; hearth runs lists them\n",
  ]);
  const none = await workspace.run(["compare", "owl-1", "nix"]);
  assert.match(none.err, /^error: There is no run "nix"\nhint: there are /);
});
