import assert from "node:assert/strict";
import { join } from "node:path";
import { UserError } from "../../src/base/errors.ts";
import type { HearthConfig } from "../../src/config/hearth_config.ts";
import { type ConfigSources, loadConfig } from "../../src/config/load.ts";
import { parseFileLayer } from "../../src/config/parse.ts";
import { configSchema } from "../../src/config/schema.ts";

/** Writes `text` to a file for the time of one test. */
async function withFile<T>(
  text: string,
  run: (path: string) => Promise<T>,
  name = "train.yaml",
): Promise<T> {
  const folder = await Deno.makeTempDir();
  try {
    const path = join(folder, name);
    await Deno.writeTextFile(path, text);
    return await run(path);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** The `error` and `hint` that a text or other sources lead to. */
async function mistake(work: () => unknown): Promise<[string, string]> {
  try {
    await work();
  } catch (error) {
    assert.ok(error instanceof UserError, String(error));
    assert.equal(error.exitCode, 2);
    return [error.message, error.hint];
  }
  assert.fail("expected a UserError");
}

const fileMistake = (text: string) =>
  mistake(() => parseFileLayer(text, "train.yaml"));
const loadMistake = (sources: ConfigSources) =>
  mistake(() => loadConfig(sources));

/** `true` only where both types have the same fields. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends
  (<T>() => T extends B ? 1 : 2) ? true : false;
/** All sections inlined, so that only names and types of fields count. */
type Flat<T> = T extends object ? { [K in keyof T]: Flat<T[K]> } : T;

Deno.test("HearthConfig documents every setting of the schema, and no other", () => {
  // The compiler tests this: it has nothing to do when the tests run.
  const same: Same<
    Flat<ReturnType<typeof configSchema.parse>>,
    Flat<HearthConfig>
  > = true;
  assert.ok(same);
});

Deno.test("loadConfig() returns the defaults when nothing is given", async () => {
  const expected = configSchema.parse({ train: { warmupFraction: 0.1 } });
  assert.deepEqual(await loadConfig({}), expected);
});

Deno.test("loadConfig() lets file win over profile, flags over file, --set over flags", async () => {
  const text = `
profile: tiny         # nLayer 4, lr 1e-3, batchSize 16, warmupSteps 100
train: {lr: 0.002, batchSize: 3, warmupSteps: 4}
`;
  const config = await withFile(text, (file) =>
    loadConfig({
      file,
      flags: [
        { path: "train.batchSize", value: 5, typed: "--batch-size 5" },
        { path: "train.warmupSteps", value: 6, typed: "--warmup-steps 6" },
      ],
      set: ["train.warmupSteps=7"],
    }));
  assert.equal(config.tokenizer.vocabSize, 2048); // profile tiny
  assert.equal(config.train.lr, 0.002); // file over profile
  assert.equal(config.train.batchSize, 5); // flag over file
  assert.equal(config.train.warmupSteps, 7); // --set over flag
  assert.equal(config.train.weightDecay, 0.1); // nowhere: default
});

Deno.test("loadConfig() prefers the profile flag to the profile in the file", async () => {
  const config = await withFile(
    "profile: medium\nseed: 5\n",
    (file) => loadConfig({ file, profile: "small" }),
  );
  assert.equal(config.model.nEmbd, 384);
  assert.equal(config.seed, 5);
  assert.ok(!("profile" in config));
});

Deno.test("loadConfig() reads JSON, tabs and $schema included", async () => {
  const text =
    '{\n\t"$schema": "x.json",\n\t"model": {\n\t\t"nLayer": 3\n\t}\n}';
  const config = await withFile(
    text,
    (file) => loadConfig({ file }),
    "train.json",
  );
  assert.equal(config.model.nLayer, 3);
  assert.ok(!("$schema" in config));
});

Deno.test("loadConfig() limits a warm-up that the person did not choose", async () => {
  const warmup = async (sources: ConfigSources) => {
    const { train } = await loadConfig(sources);
    return [train.warmupSteps, train.warmupFraction];
  };
  const flag = { path: "train.warmupSteps", value: 9, typed: "" };
  assert.deepEqual(await warmup({}), [100, 0.1]);
  assert.deepEqual(await warmup({ profile: "medium" }), [200, 0.1]);
  assert.deepEqual(await warmup({ flags: [flag] }), [9, undefined]);
  assert.deepEqual(
    await warmup({ profile: "medium", set: ["train.warmupSteps=9"] }),
    [9, undefined],
  );
  const both = "train: {warmupSteps: 9, warmupFraction: 0.2}";
  const file = (profile?: string, flags = [] as typeof flag[]) =>
    withFile(both, (file) => warmup({ file, profile, flags }));
  assert.deepEqual(await file("medium"), [9, 0.2]);
  assert.deepEqual(await file("medium", [{ ...flag, value: 7 }]), [
    7,
    undefined,
  ]);
});

Deno.test("loadConfig() lets steps and epochs replace each other across layers", async () => {
  const epochs = { path: "train.epochs", value: 2, typed: "--epochs 2" };
  const demo = await loadConfig({ profile: "demo", flags: [epochs] });
  assert.deepEqual([demo.train.steps, demo.train.epochs], [undefined, 2]);
  const tiny = await loadConfig({ profile: "tiny", set: ["train.steps=9"] });
  assert.deepEqual([tiny.train.steps, tiny.train.epochs], [9, undefined]);
});

Deno.test("loadConfig() takes null as a wish for the default", async () => {
  const text = "profile: medium\nmodel:\n  nKvHead: null\n  nEmbd:\ntrain:\n";
  const config = await withFile(text, (file) => loadConfig({ file }));
  assert.equal(config.model.nKvHead, undefined); // medium has 4
  assert.equal(config.model.nEmbd, 128); // medium has 512
  assert.equal(config.train.lr, 6e-4); // an empty section changes nothing
});

Deno.test("parseFileLayer() names line and column of an unknown key", async () => {
  assert.deepEqual(
    await fileMistake("seed: 1\nmodel:\n  nLayers: 4\n"),
    [
      "Cannot use train.yaml:3:3: model has no key nLayers",
      "did you mean nLayer?",
    ],
  );
  assert.deepEqual(
    await fileMistake("n_layer: 4\n"),
    [
      "Cannot use train.yaml:1:1: the configuration has no key n_layer",
      "did you mean model.nLayer?",
    ],
  );
  assert.deepEqual(
    await fileMistake("checkpoint:\n  colour: red\n"),
    [
      "Cannot use train.yaml:2:3: checkpoint has no key colour",
      "the keys are every, keep, best",
    ],
  );
  assert.deepEqual(
    await fileMistake('{"__proto__": {"seed": 1}}'),
    [
      "Cannot use train.yaml:1:2: the configuration has no key __proto__",
      "the keys are seed, from, device, strictDevice, precision, threads, gemm, tune, model, tokenizer, data, train, lora, checkpoint, profile",
    ],
  );
});

Deno.test("parseFileLayer() says what a setting of a wrong type may be", async () => {
  const cases: [text: string, message: string, hint: string][] = [
    [
      "model:\n  nHead: four\n",
      'train.yaml:2:10: model.nHead is "four": expected a whole number from 1 to 1024',
      "nHead is: attention heads",
    ],
    [
      "model:\n  seqLen: 0\n",
      "train.yaml:2:11: model.seqLen is 0: expected a whole number from 1 to 1048576",
      "seqLen is: tokens per sequence",
    ],
    [
      "model: {nLayer: 2.5}",
      "train.yaml:1:17: model.nLayer is 2.5: expected a whole number from 1 to 1000",
      "nLayer is: transformer blocks",
    ],
    [
      "model: {dropout: 1}",
      "train.yaml:1:18: model.dropout is 1: expected a number of at least 0 and below 1",
      "dropout is: dropout probability",
    ],
    [
      "model: {arch: lama}",
      'train.yaml:1:15: model.arch is "lama": expected one of gpt2, llama',
      "did you mean llama?",
    ],
    [
      "model: {bias: 1}",
      "train.yaml:1:15: model.bias is 1: expected true or false",
      "bias is: biases in linear layers and LayerNorm (gpt2)",
    ],
    [
      "seed: -1",
      "train.yaml:1:7: seed is -1: expected a whole number of at least 0",
      "seed is: seed of initialization, shuffling and dropout",
    ],
    [
      'device: ""',
      'train.yaml:1:9: device is "": expected a text of at least one character',
      "device is: auto, cpu, gpu:N, cuda:N, vulkan:N, webgpu:N or part of a name",
    ],
    [
      "precision: f16",
      'train.yaml:1:12: precision is "f16": expected one of fp32, bf16, fp16',
      "did you mean fp16?",
    ],
    [
      "dataWorkers: 4",
      "train.yaml:1:1: the configuration has no key dataWorkers",
      "did you mean train.prefetchBatches?",
    ],
    [
      "data:\n  dataset:\n    - a.txt\n    - {source: b.txt, weight: -1}\n",
      "train.yaml:4:31: data.dataset.1.weight is -1: expected a source or a list of sources",
      "dataset is: sample, wikitext-2, hf:OWNER/NAME, https://…, a file, a folder, a glob or - (standard input); or a list of them",
    ],
    [
      "model: 3\n",
      "train.yaml:1:8: model is 3: expected the keys arch, nLayer, nHead, nKvHead, nEmbd, seqLen, ffnDim, bias, dropout, gelu, ropeTheta, normEps, tieEmbeddings",
      "configs/tiny.yaml shows how the keys are nested",
    ],
    [ // a misspelled key comes before the others
      "seed: x\nmodel: {nLayers: 4}\n",
      "train.yaml:2:9: model has no key nLayers (and 1 more)",
      "did you mean nLayer?",
    ],
    [
      "seed: x\nthreads: y\n",
      'train.yaml:1:7: seed is "x": expected a whole number of at least 0 (and 1 more)',
      "seed is: seed of initialization, shuffling and dropout",
    ],
  ];
  for (const [text, message, hint] of cases) {
    assert.deepEqual(await fileMistake(text), [`Cannot use ${message}`, hint]);
  }
});

Deno.test("parseFileLayer() names line and column of bad syntax", async () => {
  assert.deepEqual(await fileMistake("model:\n  nHead: [1,\nseed: 2\n"), [
    "Cannot read train.yaml:3:1: Flow sequence in block collection must be " +
    "sufficiently indented and end with a ]",
    "check indentation, quotes and brackets",
  ]);
  assert.deepEqual(await fileMistake("seed: 1\nseed: 2\n"), [
    "Cannot read train.yaml:2:1: Map keys must be unique",
    "check indentation, quotes and brackets",
  ]);
  assert.deepEqual(await fileMistake("- a\n- b\n"), [
    'Cannot read train.yaml:1:1: expected keys and values, such as "seed: 1337"',
    "hearth init writes a complete example",
  ]);
});

Deno.test("loadConfig() names the flag that is wrong", async () => {
  const flag = (path: string, value: unknown, typed: string) =>
    loadMistake({ flags: [{ path, value, typed }] });
  assert.deepEqual(await flag("model.seqLen", 0, "--seq-len 0"), [
    "Cannot use --seq-len 0: expected a whole number from 1 to 1048576",
    "seqLen is: tokens per sequence",
  ]);
  assert.deepEqual(await loadMistake({ set: ["model.nHeads=2"] }), [
    "Cannot use --set model.nHeads=2: model has no key nHeads",
    "did you mean nHead?",
  ]);
  assert.deepEqual(await loadMistake({ set: ["seed=abc"] }), [
    "Cannot use --set seed=abc: expected a whole number of at least 0",
    "seed is: seed of initialization, shuffling and dropout",
  ]);
  assert.deepEqual(await loadMistake({ set: ["__proto__.seed=1"] }), [
    "Cannot use --set __proto__.seed=1: the configuration has no key __proto__",
    "the keys are seed, from, device, strictDevice, precision, threads, gemm, tune, " +
    "model, tokenizer, data, train, lora, checkpoint, profile",
  ]);
  for (const typed of ["seed", "=3", "model..x=1", "seed=[1", "seed="]) {
    const [message, hint] = await loadMistake({ set: [typed] });
    assert.ok(message.startsWith(`Cannot use --set ${typed}: `), message);
    assert.equal(hint, "for example --set model.nHead=4");
  }
});

Deno.test("loadConfig() refuses settings that contradict each other", async () => {
  assert.deepEqual(
    await loadMistake({ set: ["train.steps=1", "train.epochs=2"] }),
    [
      "Cannot use --set train.epochs=2: train.steps is given too, " +
      "expected one of the two",
      "leave out epochs or steps",
    ],
  );
  assert.deepEqual(await loadMistake({ set: ["tokenizer.type=file"] }), [
    "Cannot use tokenizer.type file without tokenizer.path",
    "add --tokenizer-path FILE, a Hugging Face tokenizer.json",
  ]);
  assert.deepEqual(await loadMistake({ set: ["tokenizer.path=a.json"] }), [
    'Cannot use tokenizer.path "a.json" with tokenizer.type bpe: ' +
    "expected type file",
    "add --tokenizer file",
  ]);
  assert.deepEqual(
    await loadMistake({ set: ["train.lr=1e-5", "train.minLr=1e-4"] }),
    [
      "Cannot use train.minLr 0.0001: expected at most train.lr, 0.00001",
      "lower --min-lr or raise --lr",
    ],
  );
  assert.deepEqual(await loadMistake({ set: ["lora.rank=4"] }), [
    "Cannot use lora.rank 4 with a new model: adapters are trained beside " +
    "the weights of one that is there",
    "add --from RUN, or leave out --lora-rank",
  ]);
  assert.deepEqual(await loadMistake({ set: ["lora.alpha=8"] }), [
    "Cannot use lora.alpha without lora.rank: there are no adapters",
    "add --lora-rank 8",
  ]);
});

Deno.test("loadConfig() says which file or profile is missing", async () => {
  assert.deepEqual(await loadMistake({ file: "no-such.yaml" }), [
    'Cannot read config "no-such.yaml": there is no such file',
    "hearth init writes a configuration file",
  ]);
  assert.deepEqual(await loadMistake({ file: "." }), [
    'Cannot read config ".": it is a folder',
    "hearth init writes a configuration file",
  ]);
  assert.deepEqual(await loadMistake({ profile: "smal" }), [
    'Cannot use profile "smal": expected one of demo, tiny, small, medium, ' +
    "gpt2-small, shakespeare-char-cpu, shakespeare-char",
    "did you mean small?",
  ]);
  assert.deepEqual(await loadMistake({ profile: "shakespeare-char" }), [
    'Cannot use profile "shakespeare-char" without a dataset: it is made ' +
    "for the tiny Shakespeare text",
    "download input.txt of karpathy/char-rnn's tinyshakespeare and add " +
    "--dataset input.txt",
  ]);
});

Deno.test("loadConfig() refuses aliases that mean nothing or a million things", async () => {
  const dir = await Deno.makeTempDir();
  const file = `${dir}/a.yaml`;
  const ten = (what: string) => `[${Array(10).fill(what)}]`;
  const bomb = ["a: &a x", "b: &b " + ten("*a"), "c: &c " + ten("*b")]
    .concat("d: &d " + ten("*c"), "e: " + ten("*d"));
  for (const text of ["model: *none\n", bomb.join("\n")]) {
    await Deno.writeTextFile(file, text);
    await assert.rejects(
      loadConfig({ file }),
      (error) =>
        error instanceof UserError && error.exitCode === 2 &&
        /^Cannot read .*a\.yaml:1:1: .* alias/.test(error.message),
    );
  }
  await Deno.writeTextFile(file, "model: &a {x: [*a]}");
  await assert.rejects(
    loadConfig({ file }),
    (error) =>
      error instanceof UserError && /deeper than 16 levels/.test(error.message),
  );
  await assert.rejects(loadConfig({ set: ["model=&a [*a]"] }), {
    name: "UserError",
    message: "Cannot use --set model=&a [*a]: the value is not valid YAML",
  });
  await Deno.writeTextFile(file, "# " + "x".repeat(1 << 16));
  await assert.rejects(loadConfig({ file }), {
    name: "UserError",
    message: `Cannot read config "${file}": it has 65538 characters, ` +
      "expected at most 65536",
  });
  if (Deno.build.os !== "windows") {
    await assert.rejects(loadConfig({ file: "/dev/zero" }), {
      name: "UserError",
      message: 'Cannot read config "/dev/zero": it has more than 262.1 kB, ' +
        "the most that is read",
    });
  }
  for (const name of ["a\0b", "a".repeat(5000)]) {
    await assert.rejects(loadConfig({ file: name }), { name: "UserError" });
  }
  await Deno.remove(dir, { recursive: true });
});
