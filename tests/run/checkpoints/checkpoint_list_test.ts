import assert from "node:assert/strict";
import { UserError } from "../../../src/base/errors.ts";
import { loadCheckpoint } from "../../../src/run/checkpoints/checkpoint_list.ts";
import { flipBit, openStore, overview } from "../_checkpoints.ts";
import { inTempDir, snapshotAt } from "../_helpers.ts";
import { readSnapshot } from "../_snapshot.ts";

async function load(dir: string, choice?: string) {
  return await loadCheckpoint(dir, { choice, read: readSnapshot });
}

Deno.test("listCheckpoints() goes by the order of saving, not of the disk", () =>
  inTempDir(async (dir) => {
    const { store, save } = openStore(dir, 10);
    for (const step of [10, 20, 30, 40]) await save(step);
    await store.adopt(await load(dir, "10"));
    await save(20);
    await Deno.truncate(`${dir}/step-00000030/manifest.json`, 5);
    await Deno.writeTextFile(`${dir}/step-00000050`, "no directory");
    const entries = await Array.fromAsync(Deno.readDir(dir));
    entries.sort((a, b) => a.name < b.name ? -1 : 1);
    const { readDir } = Deno;
    try {
      for (const order of [entries, entries.toReversed()]) {
        Deno.readDir = async function* () {
          yield* order;
        };
        // Nothing tells when the damaged one was saved.
        assert.equal(await overview(dir), "30 10 40 20=latest");
      }
    } finally {
      Deno.readDir = readDir;
    }
  }));

async function editManifest(
  dir: string,
  ...[before, after]: [before: string, after: string]
): Promise<void> {
  const text = await Deno.readTextFile(`${dir}/manifest.json`);
  assert.ok(text.includes(before));
  await Deno.writeTextFile(
    `${dir}/manifest.json`,
    text.replace(before, after),
  );
}

const damages: [string, (dir: string) => Promise<void>, string][] = [
  [
    "a truncated model",
    (dir) => Deno.truncate(`${dir}/model.safetensors`, 100),
    "model.safetensors is 100 B, expected 128 B",
  ],
  [
    "one flipped bit",
    (dir) => flipBit(`${dir}/optimizer.safetensors`),
    "sha256 of optimizer.safetensors differs from manifest.json",
  ],
  [
    "a missing file",
    (dir) => Deno.remove(`${dir}/tokenizer.json`),
    "tokenizer.json is missing",
  ],
  [
    "a missing manifest",
    (dir) => Deno.remove(`${dir}/manifest.json`),
    "manifest.json is missing",
  ],
  [
    "a torn manifest",
    (dir) => Deno.truncate(`${dir}/manifest.json`, 40),
    "manifest.json is not JSON",
  ],
  [
    "another manifest",
    (dir) => Deno.writeTextFile(`${dir}/manifest.json`, '{"files":{}}'),
    "manifest.json is not a manifest",
  ],
  [
    "an empty manifest",
    (dir) => Deno.writeTextFile(`${dir}/manifest.json`, "null"),
    "manifest.json is not a manifest",
  ],
  [
    "a manifest of no step",
    (dir) => editManifest(dir, '"step": 30', '"step": "30"'),
    "manifest.json is not a manifest",
  ],
  [
    "a manifest that names a file elsewhere",
    (dir) => editManifest(dir, '"config.json"', '"../config.json"'),
    "manifest.json is not a manifest",
  ],
  [
    "a manifest that was edited",
    (dir) => editManifest(dir, '"step": 30', '"step": 31'),
    "manifest.json is not as it was written",
  ],
  [
    "a format of no version",
    (dir) => editManifest(dir, '"version": 1', '"version": "1"'),
    'its format is version "1", this program reads version 1',
  ],
  [
    "a directory that is gone",
    (dir) => Deno.remove(dir, { recursive: true }),
    "manifest.json is missing",
  ],
];

for (const [what, damage, problem] of damages) {
  Deno.test(`loadCheckpoint() falls back and says so after ${what}`, () =>
    inTempDir(async (root) => {
      const dir = `${root}/owl-1`;
      const { save } = openStore(dir, 3);
      for (const step of [10, 20, 30]) await save(step);
      await damage(`${dir}/step-00000030`);
      const { name, content, warnings } = await load(dir);
      assert.equal(name, "step-00000020");
      assert.deepEqual(content, snapshotAt(20));
      assert.deepEqual(warnings, [
        `Cannot load "owl-1/step-00000030": ${problem}; using step-00000020`,
      ]);
    }));
}

Deno.test("loadCheckpoint() refuses a damaged one that was named", () =>
  inTempDir(async (root) => {
    const dir = `${root}/owl-1`;
    const { save } = openStore(dir);
    await save(10);
    await save(20, { best: true });
    await flipBit(`${dir}/step-00000020/model.safetensors`);
    for (
      const choice of ["20", "step-00000020", "best", `${dir}/step-00000020`]
    ) {
      await assert.rejects(load(dir, choice), {
        message: `Cannot load "${dir}/step-00000020": sha256 of ` +
          "model.safetensors differs from manifest.json",
        hint: "the newest good checkpoint is step-00000010",
      });
    }
    assert.equal((await load(dir, "10")).name, "step-00000010");
  }));

Deno.test("loadCheckpoint() falls back from damage, from nothing else", () =>
  inTempDir(async (dir) => {
    const { save } = openStore(dir);
    for (const step of [10, 20]) await save(step);
    const problem = new UserError("Cannot open the model", { hint: "get it" });
    const read = () => Promise.reject(problem);
    await assert.rejects(loadCheckpoint(dir, { read }), problem);
  }));

Deno.test("loadCheckpoint() ends when no good one is left", () =>
  inTempDir(async (root) => {
    const dir = `${root}/owl-1`;
    await openStore(dir).save(10);
    await Deno.remove(`${dir}/step-00000010/config.json`);
    const problem = 'Cannot load "owl-1/step-00000010": config.json is missing';
    await assert.rejects(load(dir), { message: problem });
    await assert.rejects(load(`${root}/fox-1`), {
      message: 'Cannot load a checkpoint of "fox-1": none is saved',
    });
  }));

Deno.test("loadCheckpoint() does without the pointers", () =>
  inTempDir(async (dir) => {
    const { save } = openStore(dir);
    await save(10);
    await save(20);
    await Deno.writeTextFile(`${dir}/latest`, "../../elsewhere\n");
    assert.equal((await load(dir)).name, "step-00000020");
    await Deno.remove(`${dir}/latest`);
    assert.deepEqual((await load(dir)).warnings, []);
  }));

Deno.test("loadCheckpoint() names what there is to choose from", () =>
  inTempDir(async (root) => {
    const dir = `${root}/owl-1`;
    const { save } = openStore(dir);
    await assert.rejects(load(dir, "best"), {
      message: 'Cannot find checkpoint "best" of "owl-1"',
      hint: "the run has no checkpoints yet",
      exitCode: 2,
    });
    await save(10);
    await save(20);
    await assert.rejects(load(dir, "15"), {
      message: 'Cannot find checkpoint "15" of "owl-1"',
      hint: "there are step-00000020, step-00000010",
    });
  }));
