import assert from "node:assert/strict";
import { join } from "node:path";
import { Workspace } from "../_workspace.ts";

const STEPS = ["--steps", "4", "--log-every", "2", "--eval-every", "0"];

Deno.test("hearth resume --more-steps says how it goes on, and does", async () => {
  await using workspace = await Workspace.create();
  await workspace.train(STEPS);
  const { code, out, err } = await workspace.run([
    ...["resume", "--more-steps", "6", "--lr-policy", "rewarm"],
    ...["--batch-size", "4", "--set", "train.gradClip=0.5", "--n-layer", "1"],
  ]);
  assert.equal(code, 0, err);
  // 595 windows; of two configured steps of warm-up a short run gets one.
  assert.ok(
    err.includes(`\
plan    10 steps of 32 tokens = 0.05 epochs
more    6 steps = 0.04 epochs, from step 4
change  train.batchSize 2 -> 4
change  train.gradClip 1 -> 0.5
note    In batches of 4, the epoch goes on after 8 of 595 windows
rate    warms up again, then the cosine schedule (--lr-policy rewarm)
        5.5e-4 at step 5, 1.0e-3 at step 6, 6.9e-4 at step 8, 1.9e-4 at step 10
`),
    err,
  );
  assert.match(out, /^run +owl-1, completed at step 10\/10 /);
});

Deno.test("hearth resume of a complete run says what to type, and that works", async () => {
  await using workspace = await Workspace.create();
  await workspace.train(STEPS);
  const { code, out, err } = await workspace.run(["resume"]);
  assert.deepEqual([code, out], [2, ""]);
  assert.equal(
    err,
    `\
error: Cannot resume "owl-1": it is complete after 4 steps
hint: type hearth resume owl-1 --more-epochs 1 to train on, or hearth generate owl-1 to see what it writes
`,
  );
  const more = await workspace.run(["resume", "owl-1", "--more-epochs", "0.1"]);
  assert.equal(more.code, 0, more.err);
  // 297 steps per epoch.
  assert.match(more.out, /^run +owl-1, completed at step 34\/34 /);
});

Deno.test("hearth resume --json tells the plan in the event opened", async () => {
  await using workspace = await Workspace.create();
  await workspace.train([...STEPS, "--schedule", "linear"]);
  const { out } = await workspace.run([
    ...["resume", "--more-steps", "2", "--lr-policy", "constant", "--json"],
    ...["--lr", "5e-4"],
  ]);
  const opened = out.split("\n").filter((line) => line !== "")
    .map((line) => JSON.parse(line)).find(({ kind }) => kind === "opened");
  const { isExtended, changes, lrPlan } = opened;
  assert.deepEqual({ isExtended, changes, lrPlan }, {
    isExtended: true,
    changes: [{ path: "train.lr", from: 0.001, to: 0.0005 }],
    lrPlan: {
      schedule: "linear",
      policy: "constant",
      points: [{ step: 5, lr: 5e-4 }, { step: 6, lr: 5e-4 }],
    },
  });
});

const REFUSED: [what: string, argv: string[], err: string[]][] = [
  [
    "epochs and steps together",
    ["--more-epochs", "1", "--more-steps", "9"],
    [
      "error: Cannot train 1 more epochs and 9 more steps: expected one of the two",
      "hint: leave out --more-epochs or --more-steps",
    ],
  ],
  [
    "epochs that are none",
    ["--more-epochs", "0"],
    [
      "error: Cannot use --more-epochs 0: expected a number above 0",
      "hint: for example --more-epochs 1",
    ],
  ],
  [
    "half a step",
    ["--more-steps", "0.5"],
    [
      "error: Cannot use --more-steps 0.5: expected a whole number of at least 1",
      "hint: put a number after --more-steps, or leave it out",
    ],
  ],
  [
    "a policy without additional steps",
    ["--lr-policy", "constant"],
    [
      "error: Cannot use the learning rate policy constant on its own: it says what the rate does in additional steps",
      "hint: type hearth resume owl-1 --more-epochs 1 --lr-policy constant",
    ],
  ],
  [
    "a policy that there is not",
    ["--more-steps", "1", "--lr-policy", "warmer"],
    [
      "error: Cannot use --lr-policy warmer: expected one of continue, rewarm, constant",
      "hint: see hearth resume --help",
    ],
  ],
  [
    "another shape",
    ["--more-steps", "1", "--n-layer", "2"],
    [
      "error: Cannot change model.nLayer from 1 to 2: the parameters of the checkpoint have that shape",
      "hint: leave it out, or start another run with hearth train",
    ],
  ],
  [
    "a length in epochs",
    ["--epochs", "3"],
    [
      "error: Cannot change train.epochs from default to 3: a resumed run is made longer or shorter from where it stands",
      "hint: add --more-epochs N or --more-steps N",
    ],
  ],
];

Deno.test("hearth resume refuses in one line what makes no sense", async (t) => {
  await using workspace = await Workspace.create();
  await workspace.train([...STEPS, "--checkpoint-every", "2"]);
  const state = workspace.path(join("runs", "owl-1", "state.json"));
  const before = await Deno.readTextFile(state);
  for (const [what, argv, expected] of REFUSED) {
    await t.step(what, async () => {
      const from = ["--from", "2"];
      const resume = ["resume", "owl-1", ...from, ...argv];
      const { code, out, err } = await workspace.run(resume);
      assert.deepEqual([code, out], [2, ""]);
      assert.deepEqual(err.trimEnd().split("\n"), expected);
    });
  }
  assert.equal(await Deno.readTextFile(state), before);
});
