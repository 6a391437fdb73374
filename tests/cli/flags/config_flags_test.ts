import assert from "node:assert/strict";
import { Command } from "@commander-js/extra-typings";
import {
  addConfigFlags,
  readConfigFlags,
} from "../../../src/cli/flags/config_flags.ts";
import { settings } from "../../../src/config/allowed.ts";
import { CONFIG_FLAGS } from "../../../src/config/config_flags.ts";

/** The settings that a command line gives, as path and value. */
function read(...argv: string[]): [path: string, value: unknown][] {
  const command = new Command().exitOverride();
  addConfigFlags(command);
  command.parse(argv, { from: "user" });
  return readConfigFlags(command).map(({ path, value }) => [path, value]);
}

Deno.test("CONFIG_FLAGS has one flag of its own for every setting", () => {
  // The commands have their own: resume --from is a checkpoint.
  const without = ["$schema", "profile", "from"];
  const paths = settings().map(([path]) => path)
    .filter((path) => !without.includes(path));
  assert.deepEqual(CONFIG_FLAGS.map(({ path }) => path), paths);
  const names = CONFIG_FLAGS.map(({ name }) => name);
  assert.equal(new Set(names).size, names.length);
});

Deno.test("CONFIG_FLAGS are the keys in kebab-case", () => {
  const name = (path: string) =>
    CONFIG_FLAGS.find((flag) => flag.path === path)?.name;
  assert.equal(name("model.nLayer"), "n-layer");
  assert.equal(name("model.nKvHead"), "n-kv-head");
  assert.equal(name("train.gradAccumSteps"), "grad-accum-steps");
  assert.equal(name("train.beta1"), "beta1");
  assert.equal(name("data.valDataset"), "val-dataset");
  assert.equal(name("tokenizer.vocabSize"), "vocab-size");
  assert.equal(name("strictDevice"), "strict-device");
});

Deno.test("readConfigFlags() reads numbers, switches, choices and lists", () => {
  assert.deepEqual(read(), []);
  assert.deepEqual(
    read("--n-layer", "3", "--lr=1e-3", "--no-bias", "--strict-device"),
    [["strictDevice", true], ["model.nLayer", 3], ["model.bias", false], [
      "train.lr",
      0.001,
    ]],
  );
  assert.deepEqual(read("--schedule", "wsd", "--dataset", "a.txt"), [
    ["data.dataset", "a.txt"],
    ["train.schedule", "wsd"],
  ]);
  assert.deepEqual(read("--dataset", "a.txt", "--dataset", "b.txt"), [
    ["data.dataset", ["a.txt", "b.txt"]],
  ]);
  assert.deepEqual(read("--beta1", "0.5", "--min-lr", "0"), [
    ["train.minLr", 0],
    ["train.beta1", 0.5],
  ]);
});

Deno.test("readConfigFlags() leaves it to the schema to refuse a non-number", () => {
  assert.deepEqual(read("--n-layer", "four", "--steps", ""), [
    ["model.nLayer", "four"],
    ["train.steps", ""],
  ]);
});
