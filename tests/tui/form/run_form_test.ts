import assert from "node:assert/strict";
import { UserError } from "../../../src/base/errors.ts";
import type { BaseSettings } from "../../../src/config/base_settings.ts";
import type { HearthConfig } from "../../../src/config/hearth_config.ts";
import { loadConfig } from "../../../src/config/load.ts";
import { findBase as baseOf } from "../../../src/run/base_settings.ts";
import { commandLine } from "../../../src/tui/form/command_line.ts";
import {
  actOnForm,
  openForm,
  typeIntoForm,
  type Values,
} from "../../../src/tui/form/fields.ts";
import { Form } from "../../../src/tui/form/form.ts";
import { formLines } from "../../../src/tui/form/form_lines.ts";
import {
  fieldProblems,
  meantSettings,
  profileOf,
  runArgs,
  runConfig,
  runFields,
  runSources,
} from "../../../src/tui/form/run_form.ts";
import { otherWords } from "../../../src/tui/form/other_settings.ts";
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

/** A model to train on, as a checkpoint would have it. */
const BASE: BaseSettings = {
  from: "owl-1/step-00000500",
  model: {
    ...(await loadConfig({})).model,
    ...{ nLayer: 2, nHead: 2, nEmbd: 32, seqLen: 32 },
  },
  tokenizer: { type: "byte", vocabSize: 2048 },
};
const findBase = (from: string) =>
  from.startsWith("owl-1") ? Promise.resolve(BASE) : noBase(from);
const noBase = (from: string): Promise<never> =>
  Promise.reject(new UserError(`There is no run "${from}"`, { hint: "" }));

/** What the form says of a field. */
function placeholders(
  values: Values,
  meant: HearthConfig | null,
): Record<string, string> {
  return Object.fromEntries(
    runFields(values, { meant, models: ["owl-1/latest"] })
      .map(({ name, placeholder }) => [name, placeholder]),
  );
}

Deno.test("runConfig() finds what does not go together", async () => {
  const wrong = (values: Values) =>
    assert.rejects.bind(null, runConfig(values, findBase));
  await wrong({ set: "model.nHead=5" })(/Cannot split nEmbd 128 into 5 heads/);
  await wrong({ profile: "shakespeare-char" })(/without a dataset/);
  await wrong({ dataset: "-" })(/Cannot read dataset "-"/);
  await wrong({ config: "/no/such/file" })(/Cannot read config/);
  // Word for word as the command line does.
  const lines: Values[] = [
    { "lora-rank": "8" },
    { "lora-alpha": "8" },
    { from: "nobody" },
  ];
  for (const values of lines) {
    const { err } = await run(runArgs(values));
    const error = await runConfig(values, (from) => baseOf(".", from))
      .then(() => assert.fail(), (error) => error);
    assert.equal(err.split("\n")[0], `error: ${error.message}`);
  }
});

Deno.test("runFields() show what empty fields mean", async () => {
  const small = { profile: "small" };
  const shown = placeholders(small, await meantSettings(small, findBase));
  const { train, model } = await loadConfig({ profile: "small" });
  assert.equal(shown.lr, String(train.lr));
  assert.equal(shown["seq-len"], String(model.seqLen));
  assert.equal(shown.precision, "fp32");
  const one = { profile: "shakespeare-char" };
  const shakespeare = placeholders(one, await meantSettings(one, findBase));
  assert.equal(shakespeare.dataset, "its path");
});

Deno.test("a form from a model has fields of adapters, and no profile", async () => {
  const values = { from: "owl-1/best", "lora-rank": "4" };
  assert.equal("lora-rank" in placeholders({}, null), false);
  const config = await runConfig(values, findBase);
  assert.deepEqual([config.from, config.lora], [BASE.from, { rank: 4 }]);
  assert.deepEqual([config.model.nEmbd, config.train.lr], [32, 1e-3]);
  const shown = placeholders(values, config);
  assert.deepEqual(
    [shown.profile, shown["lora-alpha"], shown["lora-targets"], shown.lr],
    ["none", "twice the rank", "all of each block", "0.001"],
  );
  assert.deepEqual(runArgs(values), [
    ...["train", "--from", "owl-1/best", "--lora-rank", "4", "--detach"],
  ]);
  // Without adapters all weights are trained, more gently.
  const { train } = await runConfig({ from: "owl-1" }, findBase);
  assert.equal(train.lr, 1e-4);
  // A field that has something in it is never out of sight.
  assert.ok("lora-rank" in placeholders({ "lora-alpha": "8" }, null));
});

Deno.test("profileOf() is tiny unless something says more", () => {
  assert.equal(profileOf({}), "tiny");
  assert.equal(profileOf({ profile: "small", from: "owl-1" }), "small");
  assert.equal(profileOf({ from: "owl-1" }), undefined);
  assert.equal(profileOf({ config: "a.yaml" }), undefined);
  assert.equal(profileOf({ profile: "none" }), undefined);
  assert.deepEqual(runArgs({ profile: "none" }), ["train", "--detach"]);
});

Deno.test("other settings are assignments and flags, as on the command line", async () => {
  const set = "--weight-decay 0.2 model.dropout=0.1 --no-tune --dataset b c";
  const values = { dataset: "a", set, detach: "no", lr: "1e-4" };
  assert.deepEqual(runArgs(values), [
    ...["train", "--profile", "tiny", "--dataset", "a", "--lr", "1e-4"],
    ...["--weight-decay", "0.2", "--set", "model.dropout=0.1", "--no-tune"],
    ...["--dataset", "b c"],
  ]);
  const config = await runConfig(values, findBase);
  assert.deepEqual(
    [config.train.weightDecay, config.model.dropout, config.tune],
    [0.2, 0.1, false],
  );
  assert.deepEqual(config.data.dataset, ["a", "b c"]);
  assert.deepEqual(otherWords("--set seed=7 --lr=3"), [
    ...["--set", "seed=7", "--lr=3"],
  ]);
  const later = await runConfig({ lr: "1", set: "--lr 2 --lr=3" }, findBase);
  assert.equal(later.train.lr, 3);
  for (
    const [text, problem] of [
      ["--nope 3", 'Unknown option "--nope"'],
      ["--lr", 'Option "--lr" argument missing'],
      ["--lr fast", "Cannot use --lr fast: expected a number above 0"],
      ["--tune on", "Cannot use --tune on: --tune takes no value"],
      ["--run-id x", "Cannot use --run-id here: it has a field of its own"],
      ["nonsense", "Cannot use --set nonsense: expected key.path=value"],
    ]
  ) {
    assert.deepEqual(fieldProblems({ set: text }), { set: problem });
  }
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

Deno.test("arrow keys go through suggestions until something else is typed", () => {
  const fields = [{ ...FIELDS[0], suggestions: ["one", "two"] }];
  let form = openForm({});
  const press = (action: string) => form = actOnForm(fields, form, action)!;
  const shown = () =>
    textOf(formLines(fields, form, { problems: {}, columns: 40 }));
  assert.equal(shown(), "❯ text  ‹  none                ›");
  press("right");
  press("right");
  assert.equal(form.values.text, "two");
  press("right");
  assert.equal(form.values.text, "");
  press("left");
  form = typeIntoForm(fields, form, "!")!;
  assert.equal(form.values.text, "two!");
  press("left"); // the cursor
  form = typeIntoForm(fields, form, "s")!;
  assert.equal(form.values.text, "twos!");
});

Deno.test("a form in few rows shows the fields about the focus", () => {
  const fields = ["a", "b", "c", "d", "e"].map((name) => ({
    ...{ name, label: name, hint: "", placeholder: "–" },
  }));
  const form = new Form({ fields, values: {}, problemsOf: () => ({}) });
  const shown = () =>
    textOf(form.lines({ columns: 20, rows: 3 })).replaceAll(/ *–/g, "");
  assert.equal(shown(), "❯ a\n  b\n↓ c");
  form.act("down");
  form.act("down");
  assert.equal(shown(), "↑ b\n❯ c\n↓ d");
  form.act("down");
  form.act("down");
  assert.equal(shown(), "↑ c\n  d\n❯ e");
  form.fields = fields.filter(({ name }) => name !== "b");
  assert.equal(shown(), "↑ c\n  d\n❯ e"); // the focus stays on its field
});

Deno.test("a form does not show the steps of a profile beside epochs", async () => {
  const meant = await meantSettings({}, findBase);
  const shown = (values: Values) => {
    const { epochs, steps } = placeholders(values, meant);
    return [epochs, steps];
  };
  assert.deepEqual(shown({}), ["–", "500"]);
  assert.deepEqual(shown({ epochs: "3" }), ["–", "–"]);
  assert.deepEqual(shown({ steps: "9" }), ["–", "500"]);
});
