import assert from "node:assert/strict";
import { settings } from "../../src/config/allowed.ts";
import { formatChange } from "../../src/config/config_change.ts";
import { loadConfig } from "../../src/config/load.ts";
import { overrideConfig, settledChanges } from "../../src/config/override.ts";
import type { FlagSetting } from "../../src/config/parse.ts";
import { RESUME_RULES } from "../../src/config/resume_rules.ts";
import { configSchema } from "../../src/config/schema.ts";

const CONFIG = configSchema.parse({
  model: { nLayer: 4 },
  train: { epochs: 2, lr: 1e-3, minLr: 1e-5 },
});

function flag(path: string, value: unknown): FlagSetting {
  return { path, value, typed: `--flag ${value}` };
}

Deno.test("RESUME_RULES has a line for every setting, and no other", () => {
  const paths = settings().map(([path]) => path);
  assert.deepEqual(Object.keys(RESUME_RULES).sort(), paths.sort());
});

Deno.test("overrideConfig() lays flags, then --set, over the configuration", () => {
  const { config, changes, given } = overrideConfig(CONFIG, {
    flags: [flag("train.lr", 5e-4), flag("train.batchSize", 3)],
    set: ["train.batchSize=16", "checkpoint.keep=3", "train.minLr=null"],
  });
  assert.deepEqual(config, {
    ...CONFIG,
    train: { ...without(CONFIG.train, "minLr"), lr: 5e-4, batchSize: 16 },
  });
  assert.deepEqual(changes.map(formatChange), [
    "train.batchSize 8 -> 16",
    "train.lr 0.001 -> 0.0005",
    "train.minLr 0.00001 -> default",
  ]);
  assert.deepEqual(
    [...given],
    ["train.batchSize", "train.lr", "train.minLr", "checkpoint.keep"],
  );
});

Deno.test("overrideConfig() without anything typed gives the configuration back", () => {
  const { config, changes, given } = overrideConfig(CONFIG, {});
  assert.deepEqual([config, changes, given.size], [CONFIG, [], 0]);
});

Deno.test("overrideConfig() accepts what a run has already, free to change or not", () => {
  const { changes } = overrideConfig(CONFIG, {
    flags: [flag("model.nLayer", 4)],
    set: ["data.dataset=sample", "train.epochs=2"],
  });
  assert.deepEqual(changes, []);
});

Deno.test("overrideConfig() lets the text lie elsewhere; its content is checked later", () => {
  const set = ["data.dataset=[a.txt, b.txt]"];
  const { changes } = overrideConfig(CONFIG, { set });
  assert.deepEqual(changes.map(formatChange), [
    'data.dataset sample -> ["a.txt","b.txt"]',
  ]);
});

Deno.test("settledChanges() says what auto came to, if that is another value", () => {
  const set = ["train.batchSize=auto", "train.lr=0.1"];
  const { config, changes } = overrideConfig(CONFIG, { set });
  assert.equal(config.train.batchSize, 0);
  const settled = (batchSize: number) =>
    settledChanges(changes, {
      ...config,
      train: { ...config.train, batchSize },
    }).map(formatChange);
  assert.deepEqual(settled(32), [
    "train.batchSize 8 -> 32",
    "train.lr 0.001 -> 0.1",
  ]);
  assert.deepEqual(settled(8), ["train.lr 0.001 -> 0.1"]);
});

Deno.test("overrideConfig() lets a given warm-up be as long as it is", async () => {
  const config = await loadConfig({ profile: "tiny" });
  const set = ["train.warmupSteps=70"];
  const { changes, config: after } = overrideConfig(config, { set });
  assert.equal(after.train.warmupFraction, undefined);
  assert.deepEqual(changes, [
    { path: "train.warmupSteps", from: 50, to: 70 },
  ]);
  assert.throws(
    () => overrideConfig(config, { set: ["train.warmupFraction=0.5"] }),
    /from 0\.1 to 0\.5: the warm-up was settled when the run began/,
  );
});

Deno.test("overrideConfig() refuses what a checkpoint has fixed, and says why", () => {
  const another = "leave it out, or start another run with hearth train";
  const cases: [string, message: string, hint: string][] = [
    [
      "model.nLayer=6",
      "Cannot change model.nLayer from 4 to 6: the parameters of the " +
      "checkpoint have that shape",
      another,
    ],
    [
      "data.valFraction=0.2",
      "Cannot change data.valFraction from 0.1 to 0.2: a run goes on with " +
      "the split that it began with",
      another,
    ],
    [
      "tokenizer.vocabSize=999",
      "Cannot change tokenizer.vocabSize from 2048 to 999: the embeddings of " +
      "the checkpoint belong to its tokenizer",
      another,
    ],
    [
      "train.steps=50",
      "Cannot change train.steps from default to 50: a resumed run is made " +
      "longer or shorter from where it stands",
      "add --more-epochs N or --more-steps N",
    ],
    [
      "profile=small",
      "Cannot change profile from default to small: a profile also sets what " +
      "a checkpoint has fixed",
      "name the settings to change, such as --lr or --batch-size",
    ],
  ];
  for (const [typed, message, hint] of cases) {
    assert.throws(
      () => overrideConfig(CONFIG, { set: [typed] }),
      { message, hint, exitCode: 2 },
    );
  }
});

Deno.test("overrideConfig() refuses values that are wrong or contradict others", () => {
  assert.throws(() => overrideConfig(CONFIG, { set: ["train.lr=-1"] }), {
    message: "Cannot use --set train.lr=-1: expected a number above 0",
  });
  assert.throws(() => overrideConfig(CONFIG, { set: ["train.lr=1e-6"] }), {
    message: "Cannot use train.minLr 0.00001: expected at most train.lr, " +
      "0.000001",
  });
});

function without<T extends object, K extends keyof T>(value: T, key: K) {
  const { [key]: _, ...rest } = value;
  return rest;
}
