import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { openBackend } from "../../src/backend/devices/open_backend.ts";
import { UserError } from "../../src/base/errors.ts";
import { valuesOf } from "../../src/base/safetensors.ts";
import { exportModel } from "../../src/export/export_model.ts";
import { importModel } from "../../src/export/import_model.ts";
import { openModelFolder } from "../../src/export/model_folder.ts";
import { openDecoder } from "../../src/generate/decoder.ts";
import { eachFromHuggingFace } from "../../src/model/huggingface.ts";
import { configFromHf } from "../../src/model/huggingface_config.ts";
import { loadChosen } from "../../src/run/checkpoints/checkpoint_ref.ts";
import { draws, fc } from "../_property.ts";
import { inTempDir } from "../base/_helpers.ts";
import { readFixture } from "../model/_oracle.ts";

const MODELS = fileURLToPath(new URL("../fixtures/models/", import.meta.url));

interface Expected {
  prompt: number[];
  logits: number[];
  continuation: number[];
}
const { results: EXPECTED } = readFixture("models/expected.json") as {
  results: Record<string, Expected[]>;
};

for (const name of Object.keys(EXPECTED)) {
  Deno.test(`importModel() computes what transformers do: ${name}`, () =>
    inTempDir(async (root) => {
      const folder = `${MODELS}${name}`;
      const { runId } = await importModel({ root, folder, commandLine: [] });
      const { content } = await loadChosen(root, runId);
      const config = configFromHf(content.modelConfig);
      const { backend } = await openBackend({ device: "cpu", threads: 1 });
      await using opened = new AsyncDisposableStack();
      opened.defer(() => backend.dispose());
      const weights = eachFromHuggingFace(config, content.params);
      const decoder = await openDecoder(backend, { config, weights });
      opened.defer(() => decoder.dispose());
      for (const [p, expected] of EXPECTED[name].entries()) {
        decoder.reset();
        const feed = async (ids: number[]) => {
          await decoder.feed(ids);
          return await decoder.logits();
        };
        let logits = await feed(expected.prompt);
        for (const [i, theirs] of expected.logits.entries()) {
          const difference = Math.abs(logits[31 * i] - theirs);
          assert.ok(difference < 1e-4, `prompt ${p}, id ${31 * i}`);
        }
        for (const id of expected.continuation) {
          assert.equal(logits.indexOf(Math.max(...logits)), id, `prompt ${p}`);
          logits = await feed([id]);
        }
      }
    }));

  Deno.test(`importModel() takes back what exportModel() writes: ${name}`, () =>
    inTempDir(async (root) => {
      const commandLine: string[] = [];
      const folder = `${MODELS}${name}`;
      await importModel({ root, folder, runId: "a", commandLine });
      const chosen = await loadChosen(root, "a");
      await exportModel({
        chosen,
        meta: null,
        format: "hf",
        dtype: "bf16", // the values of both are bf16 or f16 …
        output: `${root}/out`,
      });
      await importModel({
        root,
        folder: `${root}/out`,
        runId: "b",
        commandLine,
      });
      const { content } = await loadChosen(root, "b");
      const { dtype: _a, torch_dtype: _b, ...config } = content
        .modelConfig as Record<string, unknown>;
      assert.deepEqual({
        ...config,
        dtype: "float32",
        torch_dtype: "float32",
      }, chosen.content.modelConfig);
      for (const [i, tensor] of content.params.entries()) {
        const before = chosen.content.params[i];
        assert.equal(tensor.name, before.name);
        const [ours, theirs] = [await valuesOf(tensor), await valuesOf(before)];
        for (const [at, value] of ours.entries()) {
          // … so this rounds to 8 bits at most.
          const error = Math.abs(value - theirs[at]);
          assert.ok(error <= Math.abs(theirs[at]) * 2 ** -8, tensor.name);
        }
      }
    }));
}

/** A copy of a fixture that a test may damage. */
async function copyOf(name: string, dir: string): Promise<string> {
  const folder = `${dir}/model`;
  await Deno.mkdir(folder);
  for await (const { name: file } of Deno.readDir(`${MODELS}${name}`)) {
    await Deno.copyFile(`${MODELS}${name}/${file}`, `${folder}/${file}`);
  }
  return folder;
}

async function edit(
  path: string,
  change: (json: Record<string, unknown>) => unknown,
): Promise<void> {
  const json = JSON.parse(await Deno.readTextFile(path));
  await Deno.writeTextFile(path, JSON.stringify(change(json)));
}

const INDEX = "model.safetensors.index.json";
const DAMAGES: [
  what: string,
  damage: (folder: string) => Promise<unknown>,
  message: RegExp,
][] = [
  [
    "a folder that is not there",
    (folder) => Deno.remove(folder, { recursive: true }),
    /^Cannot import ".*": it is not there$/,
  ],
  [
    "no config.json",
    (folder) => Deno.remove(`${folder}/config.json`),
    /it has no config\.json$/,
  ],
  [
    "a config.json of brackets",
    (folder) =>
      Deno.writeTextFile(
        `${folder}/config.json`,
        `{"model_type": ${"[".repeat(20_000)}${"]".repeat(20_000)}}`,
      ),
    /config\.json is not JSON/,
  ],
  [
    "a config.json that is no JSON",
    (folder) => Deno.writeTextFile(`${folder}/config.json`, "{"),
    /config\.json is not JSON/,
  ],
  ...["null", "7"].map((json): typeof DAMAGES[number] => [
    `a config.json that is ${json}`,
    (folder) => Deno.writeTextFile(`${folder}/config.json`, json),
    /config\.json is not an object$/,
  ]),
  [
    "a config.json of a gigabyte",
    async (folder) => {
      using file = await Deno.open(`${folder}/config.json`, { write: true });
      await file.truncate(2 ** 30); // a hole: it takes no room
    },
    /config\.json has 1\.1 GB, expected at most 1\.0 MB$/,
  ],
  [
    "a billion layers",
    (folder) =>
      edit(`${folder}/config.json`, (json) => ({
        ...json,
        num_hidden_layers: 1e9,
      })),
    /num_hidden_layers is 1000000000, expected at most 1000$/,
  ],
  [
    "scaled rotary positions",
    (folder) =>
      edit(`${folder}/config.json`, (json) => ({
        ...json,
        rope_parameters: { rope_type: "yarn", rope_theta: 1e4, factor: 4 },
      })),
    /rope_type is "yarn", expected "default"$/,
  ],
  [
    "another kind of model",
    (folder) =>
      edit(`${folder}/config.json`, (json) => ({ ...json, model_type: "t5" })),
    /model_type is "t5", expected gpt2 or llama$/,
  ],
  [
    "no tokenizer",
    (folder) => Deno.remove(`${folder}/tokenizer.json`),
    /it has no tokenizer\.json$/,
  ],
  [
    "a tokenizer that is too large for the model",
    (folder) =>
      edit(`${folder}/config.json`, (json) => ({ ...json, vocab_size: 599 })),
    /its tokenizer has 600 ids, its model 599$/,
  ],
  [
    "a model of another size",
    (folder) =>
      edit(`${folder}/config.json`, (json) => ({ ...json, vocab_size: 609 })),
    /tensor "model\.embed_tokens\.weight" has shape \(608, 16\), expected/,
  ],
  [
    "pickled weights",
    async (folder) => {
      await Deno.remove(`${folder}/${INDEX}`);
      await Deno.writeTextFile(`${folder}/pytorch_model.bin`, "");
    },
    /its weights are pickled Python, which can run any code$/,
  ],
  [
    "an index without a map",
    (folder) => Deno.writeTextFile(`${folder}/${INDEX}`, "{}"),
    /index\.json has no weight_map$/,
  ],
  [
    "an index that leads elsewhere",
    (folder) =>
      edit(`${folder}/${INDEX}`, () => ({
        weight_map: { "model.norm.weight": "../../etc/x.safetensors" },
      })),
    /has tensor "model\.norm\.weight" in "\.\.\/\.\.\/etc\/x\.safetensors"$/,
  ],
  [
    "a file that the index names and is not there",
    (folder) => Deno.remove(`${folder}/model-00001-of-00003.safetensors`),
    /it has no model-00001-of-00003\.safetensors$/,
  ],
  [
    "a file that was cut short",
    async (folder) => {
      const path = `${folder}/model-00001-of-00003.safetensors`;
      await Deno.truncate(path, 1000);
    },
    /^Cannot read ".*model-00001-of-00003\.safetensors": /,
  ],
  [
    "a file with a header of an exabyte",
    async (folder) => {
      const path = `${folder}/model-00001-of-00003.safetensors`;
      const bytes = await Deno.readFile(path);
      bytes.fill(0xff, 0, 8);
      await Deno.writeFile(path, bytes);
    },
    /does not begin as a safetensors file does$/,
  ],
];

for (const [what, damage, message] of DAMAGES) {
  Deno.test(`importModel() refuses ${what}, and leaves nothing behind`, () =>
    inTempDir(async (dir) => {
      const folder = await copyOf("llama_bf16", dir);
      await damage(folder);
      const root = `${dir}/root`;
      await assert.rejects(
        importModel({ root, folder, commandLine: [] }),
        (error) => {
          assert.ok(error instanceof UserError, String(error));
          assert.match(error.message, message);
          assert.ok(!error.message.includes("\n"));
          return true;
        },
      );
      const left = await Array.fromAsync(Deno.readDir(root)).catch(() => []);
      assert.deepEqual(left, []);
    }));
}

Deno.test("importModel() that is stopped on its way leaves nothing behind", () =>
  inTempDir(async (dir) => {
    const folder = await copyOf("llama_bf16", dir);
    const root = `${dir}/root`, controller = new AbortController();
    const shares: number[] = [];
    const onProgress = (share: number) => {
      shares.push(share);
      if (shares.length === 2) controller.abort(new Error("stop"));
    };
    const { signal } = controller;
    await assert.rejects(
      importModel({ root, folder, commandLine: [], onProgress, signal }),
      { message: "stop" },
    );
    assert.equal(shares.length, 2);
    for (const kind of ["runs", "checkpoints"]) {
      const left = await Array.fromAsync(Deno.readDir(`${root}/${kind}`))
        .catch(() => []);
      assert.deepEqual(left, [], kind);
    }
  }));

Deno.test({
  name: "openModelFolder() reads no file without end",
  ignore: Deno.build.os === "windows",
  fn: () =>
    inTempDir(async (dir) => {
      const model = fileURLToPath(
        new URL("../fixtures/models/gpt2_f16", import.meta.url),
      );
      for await (const { name } of Deno.readDir(model)) {
        await Deno.copyFile(`${model}/${name}`, `${dir}/${name}`);
      }
      for (
        const name of ["config.json", "tokenizer.json", "model.safetensors"]
      ) {
        await Deno.rename(`${dir}/${name}`, `${dir}/aside`);
        await Deno.symlink("/dev/zero", `${dir}/${name}`);
        await assert.rejects(openModelFolder(dir), { name: "UserError" });
        await Deno.remove(`${dir}/${name}`);
        await Deno.rename(`${dir}/aside`, `${dir}/${name}`);
      }
      await openModelFolder(dir);
    }),
});

Deno.test("openModelFolder() opens or refuses any damage of its files", () =>
  inTempDir(async (dir) => {
    const folder = await copyOf("llama_bf16", dir);
    const files = (await Array.fromAsync(Deno.readDir(folder), (e) => e.name))
      .sort();
    const bytes = await Promise.all(
      files.map((name) => Deno.readFile(`${folder}/${name}`)),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.nat(files.length - 1),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        fc.uint8Array({ minLength: 1, maxLength: 9 }),
        fc.boolean(),
        async (which, where, patch, cut) => {
          const path = `${folder}/${files[which]}`;
          // Most of what can go wrong is in the first bytes.
          const at = Math.floor(where ** 3 * bytes[which].length);
          const damaged = cut
            ? bytes[which].slice(0, at)
            : bytes[which].slice();
          if (!cut) damaged.set(patch.subarray(0, damaged.length - at), at);
          await Deno.writeFile(path, damaged);
          try {
            await openModelFolder(folder);
          } catch (error) {
            assert.ok(error instanceof UserError, `${files[which]}: ${error}`);
            assert.ok(!error.message.includes("\n"), error.message);
          } finally {
            await Deno.writeFile(path, bytes[which]);
          }
        },
      ),
      { numRuns: draws(150) },
    );
  }));
