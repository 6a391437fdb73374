import assert from "node:assert/strict";
import { loadConfig } from "../../../src/config/load.ts";
import { commandLine } from "../../../src/tui/form/command_line.ts";
import {
  actOnForm,
  openForm,
  typeIntoForm,
} from "../../../src/tui/form/fields.ts";
import { formLines } from "../../../src/tui/form/form_lines.ts";
import {
  checkRunForm,
  fieldProblems,
  meantBy,
  profileConfig,
  runArgs,
  runFields,
  runSources,
} from "../../../src/tui/form/run_form.ts";
import { run } from "../../cli/_fake_io.ts";
import { textOf } from "../_runs.ts";

const FILLED = {
  profile: "small",
  dataset: "my texts/*.txt",
  steps: "120",
  "batch-size": "auto",
  "seq-len": "64",
  lr: "3e-4",
  "grad-accum-steps": "2",
  device: "cpu",
  precision: "bf16",
  set: "model.dropout=0.1 seed=7",
  "run-id": "owl-9",
};

Deno.test("runArgs() are the arguments of hearth train, only what was filled in", () => {
  assert.deepEqual(runArgs({ profile: "tiny" }), [
    ...["train", "--profile", "tiny", "--detach"],
  ]);
  assert.deepEqual(runArgs({ ...FILLED, detach: "no" }), [
    ...["train", "--profile", "small", "--dataset", "my texts/*.txt"],
    ...["--steps", "120", "--batch-size", "auto", "--seq-len", "64"],
    ...["--lr", "3e-4", "--grad-accum-steps", "2", "--device", "cpu"],
    ...["--precision", "bf16", "--run-id", "owl-9"],
    ...["--set", "model.dropout=0.1", "--set", "seed=7"],
  ]);
});

Deno.test("runSources() load the configuration that the command line loads", async () => {
  const config = await loadConfig(runSources(FILLED));
  assert.equal(config.train.batchSize, 0);
  assert.deepEqual(
    [config.train.steps, config.train.epochs, config.train.lr, config.seed],
    [120, undefined, 3e-4, 7],
  );
  assert.deepEqual(
    [config.model.seqLen, config.model.dropout, config.precision],
    [64, 0.1, "bf16"],
  );
  assert.equal(config.data.dataset, "my texts/*.txt");
});

Deno.test("fieldProblems() say what is allowed, as the command line does", async () => {
  const values = {
    lr: "fast",
    "seq-len": "0",
    set: "model.nope=1",
    "run-id": "a/b",
  };
  const problems = fieldProblems(values);
  assert.equal(problems.lr, "expected a number above 0");
  assert.equal(
    problems["seq-len"],
    "expected a whole number from 1 to 1048576",
  );
  assert.match(problems.set, /model has no key nope/);
  assert.match(problems["run-id"], /^Cannot name a run "a\/b"/);
  const { err } = await run(["train", "--lr", "fast"]);
  assert.ok(err.includes(problems.lr), err);
  assert.deepEqual(fieldProblems(FILLED), {});
});

Deno.test("checkRunForm() finds what does not go together", async () => {
  const { config, problem } = await checkRunForm({
    profile: "tiny",
    set: "model.nHead=5",
  });
  assert.equal(config, null);
  assert.match(problem!.message, /Cannot split nEmbd 128 into 5 heads/);
  const needs = await checkRunForm({ profile: "shakespeare-char" });
  assert.match(needs.problem!.message, /without a dataset/);
});

Deno.test("runFields() show what empty fields mean", async () => {
  const fields = runFields("small", await profileConfig("small"));
  const placeholder = (name: string) =>
    fields.find((field) => field.name === name)?.placeholder;
  const { train, model } = await loadConfig({ profile: "small" });
  assert.equal(placeholder("lr"), String(train.lr));
  assert.equal(placeholder("seq-len"), String(model.seqLen));
  assert.equal(placeholder("precision"), "fp32");
  const shakespeare = runFields(
    "shakespeare-char",
    await profileConfig("shakespeare-char"),
  );
  assert.equal(
    shakespeare.find(({ name }) => name === "dataset")?.placeholder,
    "its path",
  );
});

Deno.test("commandLine() quotes what a shell would take apart", () => {
  assert.equal(
    commandLine(["hearth", "train", "--dataset", "my texts/*.txt", "it's"]),
    Deno.build.os === "windows"
      ? `hearth train --dataset "my texts/*.txt" "it's"`
      : `hearth train --dataset 'my texts/*.txt' 'it'\\''s'`,
  );
});

const FIELDS = [
  { name: "text", label: "text", hint: "What?", placeholder: "none" },
  {
    name: "choice",
    label: "choice",
    hint: "Which?",
    placeholder: "b",
    choices: ["a", "b", "c"],
  },
];

Deno.test("a form takes texts with wide characters, at the cursor", () => {
  let form = openForm({});
  for (const typed of ["a", "日", "👩‍👩‍👧", "b"]) {
    form = typeIntoForm(FIELDS, form, typed)!;
  }
  assert.equal(form.values.text, "a日👩‍👩‍👧b");
  form = actOnForm(FIELDS, form, "left")!;
  form = actOnForm(FIELDS, form, "backspace")!;
  assert.equal(form.values.text, "a日b");
  form = typeIntoForm(FIELDS, form, "x\r\ny")!;
  assert.equal(form.values.text, "a日x\nyb");
  form = actOnForm(FIELDS, form, "delete")!;
  assert.equal(form.values.text, "a日x\ny");
  assert.equal(
    textOf(formLines(FIELDS, form, { problems: {}, columns: 40 })),
    "❯ text    a日x⏎y\n  choice  b",
  );
  form = actOnForm(FIELDS, form, "clear")!;
  assert.equal(form.values.text, "");
});

Deno.test("a form goes round through fields and choices", () => {
  let form = actOnForm(FIELDS, openForm({}), "previous")!;
  assert.equal(form.at, 1);
  assert.equal(typeIntoForm(FIELDS, form, "?"), null);
  form = actOnForm(FIELDS, form, "right")!; // from the placeholder
  assert.equal(form.values.choice, "c");
  form = typeIntoForm(FIELDS, form, " ")!;
  assert.equal(form.values.choice, "a");
  form = actOnForm(FIELDS, form, "left")!;
  assert.equal(form.values.choice, "c");
  const problems = { text: "expected a number" };
  assert.equal(
    textOf(formLines(FIELDS, form, { problems, columns: 60 })),
    [
      "  text    none                     ✗ expected a number",
      "❯ choice  ‹ c ›",
    ].join("\n"),
  );
});

Deno.test("meantBy() does not show the steps of a profile beside epochs", () => {
  const fields = ["epochs", "steps", "lr"].map((name) => ({
    ...{ name, label: name, hint: "", placeholder: "500" },
  }));
  const shown = (values: Record<string, string>) =>
    meantBy(values, fields).map(({ placeholder }) => placeholder);
  assert.deepEqual(shown({}), ["500", "500", "500"]);
  assert.deepEqual(shown({ epochs: "3" }), ["500", "–", "500"]);
  assert.deepEqual(shown({ steps: "9" }), ["–", "500", "500"]);
});
