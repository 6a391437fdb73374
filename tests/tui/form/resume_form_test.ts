import assert from "node:assert/strict";
import {
  resumeArgs,
  resumeFields,
  resumeProblems,
  stepsToCome,
} from "../../../src/tui/form/resume_form.ts";
import { runRecord } from "../_runs.ts";

Deno.test("resumeFields() offer the checkpoints there are", () => {
  const [from] = resumeFields(runRecord().checkpoints);
  assert.deepEqual(from.choices, ["latest", "best", "1000", "500"]);
  assert.deepEqual(resumeFields([])[0].choices, ["latest"]);
});

Deno.test("resumeArgs() are the arguments of hearth resume", () => {
  assert.deepEqual(resumeArgs("owl-1", {}), ["resume", "owl-1", "--detach"]);
  assert.deepEqual(
    resumeArgs("owl-1", {
      from: "best",
      "more-epochs": "0.5",
      "lr-policy": "rewarm",
      detach: "no",
    }),
    [
      ...["resume", "owl-1", "--from", "best", "--more-epochs", "0.5"],
      ...["--lr-policy", "rewarm"],
    ],
  );
  // A policy is only for additional steps; the command line refuses it else.
  assert.deepEqual(resumeArgs("owl-1", { "lr-policy": "rewarm" }), [
    ...["resume", "owl-1", "--detach"],
  ]);
});

Deno.test("resumeProblems() are those of the command line", () => {
  assert.deepEqual(resumeProblems({ "more-epochs": "1" }), {});
  assert.deepEqual(
    resumeProblems({ "more-epochs": "0", "more-steps": "1.5" }),
    {
      "more-epochs": "expected a number above 0",
      "more-steps": "expected epochs or steps, not both",
    },
  );
  assert.deepEqual(resumeProblems({ "more-steps": "many" }), {
    "more-steps": "expected a whole number of at least 1",
  });
});

Deno.test("stepsToCome() are the rest, or what was asked for", () => {
  const run = { step: 1000, totalSteps: 3000, stepsPerEpoch: 800 };
  assert.equal(stepsToCome({}, run), 2000);
  assert.equal(stepsToCome({ "more-epochs": "1.5" }, run), 1200);
  assert.equal(stepsToCome({ "more-steps": "7" }, run), 7);
  assert.equal(stepsToCome({}, { ...run, step: null }), null);
});
