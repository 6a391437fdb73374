import assert from "node:assert/strict";
import { UserError } from "../../../src/base/errors.ts";
import { exists } from "../../../src/base/exists.ts";
import { openWeights } from "../../../src/run/checkpoints/checkpoint_files.ts";
import { loadCheckpoint } from "../../../src/run/checkpoints/checkpoint_list.ts";
import { weightsSha256 } from "../../../src/run/checkpoints/adapter_base.ts";
import { loadManifest } from "../../../src/run/checkpoints/manifest.ts";
import { CheckpointStore } from "../../../src/run/checkpoints/checkpoint_store.ts";
import {
  readTensors,
  type SnapshotSource,
} from "../../../src/train/snapshot.ts";
import { flipBit, openStore, overview } from "../_checkpoints.ts";
import { inTempDir, listTree, snapshotAt } from "../_helpers.ts";
import { readSnapshot } from "../_snapshot.ts";

async function load(dir: string, choice?: string) {
  return await loadCheckpoint(dir, { choice, read: readSnapshot });
}

Deno.test("save() writes what loadCheckpoint() reads", () =>
  inTempDir(async (root) => {
    const dir = `${root}/checkpoints/owl-1`;
    const { save } = openStore(dir);
    const { name, sizeBytes } = await save(500);
    assert.equal(name, "step-00000500");
    assert.deepEqual(await listTree(dir), [
      "latest",
      "step-00000500",
      "step-00000500/config.json",
      "step-00000500/manifest.json",
      "step-00000500/model.safetensors",
      "step-00000500/optimizer.safetensors",
      "step-00000500/tokenizer.json",
      "step-00000500/trainer.json",
    ]);
    const loaded = await load(dir);
    assert.deepEqual(loaded, {
      name,
      dir: `${dir}/${name}`,
      sizeBytes,
      weightsSha256: weightsSha256(await loadManifest(`${dir}/${name}`)),
      content: snapshotAt(500),
      warnings: [],
    });
  }));

Deno.test("save() keeps the newest periodic ones, the best and the latest", () =>
  inTempDir(async (dir) => {
    const { save } = openStore(dir);
    await save(10, { best: true });
    await save(20);
    await save(30);
    assert.equal(await overview(dir), "10=best 20 30=latest");
    await save(40);
    assert.equal(await overview(dir), "10=best 30 40=latest");
    // A best one between two periodic ones takes the place of none.
    await save(45, { best: true, periodic: false });
    assert.equal(await overview(dir), "30 40 45=latest=best");
    await save(47, { best: true, periodic: false });
    assert.equal(await overview(dir), "30 40 47=latest=best");
    await save(50);
    assert.equal(await overview(dir), "40 47=best 50=latest");
    const names = (await listTree(dir)).filter((path) => !path.includes("/"));
    assert.deepEqual(names, [
      "best",
      "latest",
      "step-00000040",
      "step-00000047",
      "step-00000050",
    ]);
  }));

Deno.test("save() of the step that was just saved only moves pointers", () =>
  inTempDir(async (dir) => {
    const { store, save } = openStore(dir);
    const first = await save(10);
    const again = await store.save(unreadable(10), {
      step: 10,
      best: true,
      periodic: false,
    });
    assert.deepEqual(again, first);
    assert.equal(await overview(dir), "10=latest=best");

    // So does a process that went on from it and was stopped at once.
    const { store: second } = openStore(dir);
    await second.adopt(await load(dir));
    await second.save(unreadable(10), {
      step: 10,
      best: false,
      periodic: true,
    });
    assert.equal(await overview(dir), "10=latest=best");
  }));

Deno.test("adopt() removes what a save was killed before it could", () =>
  inTempDir(async (dir) => {
    const { save } = openStore(dir, 10);
    await save(10, { best: true });
    for (const step of [20, 30, 40]) await save(step);
    const { store } = openStore(dir);
    await store.adopt(await load(dir));
    assert.equal(await overview(dir), "10=best 30 40=latest");
  }));

Deno.test("adopt() of an older checkpoint makes it the latest", () =>
  inTempDir(async (dir) => {
    const { save } = openStore(dir, 10);
    for (const step of [10, 20, 30]) await save(step);
    const { store, save: saveNext } = openStore(dir);
    await store.adopt(await load(dir, "10"));
    assert.equal((await load(dir)).name, "step-00000010");
    // Saved again, step 20 is newer than the 30 of the other history.
    await saveNext(20, { best: true });
    assert.equal(await overview(dir), "30 20=latest=best");
    assert.equal((await load(dir)).name, "step-00000020");
    await saveNext(25);
    assert.equal(await overview(dir), "20=best 25=latest");
  }));

Deno.test("adopt() finds the best one again, whatever became of the file", () =>
  inTempDir(async (dir) => {
    const { save } = openStore(dir, 10);
    await save(10, { best: true });
    await save(20, { best: true });
    await save(30, { bestStep: 20 });
    const whole = "10 20=best 30=latest";
    const adopt = async (choice?: string) => {
      const { store, save } = openStore(dir, 10);
      await store.adopt(await load(dir, choice));
      return save;
    };
    for (
      const damage of [
        () => Deno.remove(`${dir}/best`),
        () => Deno.writeTextFile(`${dir}/best`, "nonsense"),
        () => Deno.writeTextFile(`${dir}/best`, "step-00000025"),
        // Killed between the two pointers: the older best is still named.
        () => Deno.writeTextFile(`${dir}/best`, "step-00000010"),
      ]
    ) {
      await damage();
      await adopt();
      assert.equal(await overview(dir), whole);
    }
    // The best one may be the newest itself.
    await (await adopt())(40, { bestStep: 40 });
    await Deno.remove(`${dir}/best`);
    await adopt();
    assert.equal(await overview(dir), "10 20 30 40=latest=best");
    await Deno.remove(`${dir}/step-00000040`, { recursive: true });
    await adopt();
    assert.equal(await overview(dir), whole);
    // Who goes back keeps the best of the history that is left behind …
    const saveAgain = await adopt("10");
    assert.equal(await overview(dir), "10=latest 20=best 30");
    // … until a step of the new one, which is not as good, takes its name.
    await saveAgain(20, { bestStep: 10 });
    assert.equal(await overview(dir), "10=best 30 20=latest");
  }));

Deno.test("adopt() keeps what is newer than the one gone back to by name only", () =>
  inTempDir(async (dir) => {
    const { save } = openStore(dir);
    await save(10);
    await save(20, { best: true, periodic: false });
    await openStore(dir).store.adopt(await load(dir, "10"));
    assert.equal(await overview(dir), "10=latest 20=best");
    // Without the name it is a step that was left, saved in no rhythm.
    await Deno.remove(`${dir}/best`);
    await openStore(dir).store.adopt(await load(dir));
    assert.equal(await overview(dir), "10=latest");
  }));

Deno.test("adopt() names no best one where none is wanted", () =>
  inTempDir(async (dir) => {
    const { save } = openStore(dir);
    await save(10, { bestStep: 10 });
    const { store } = openStore(dir, 2, { keepBest: false });
    await store.adopt(await load(dir));
    assert.equal(await overview(dir), "10=latest");
  }));

Deno.test("save() puts nothing in place of a checkpoint before it is whole", () =>
  inTempDir(async (dir) => {
    const { save } = openStore(dir);
    await save(10);
    await save(20);
    const { store, save: saveAgain } = openStore(dir);
    await store.adopt(await load(dir, "10"));
    const before = (await load(dir, "20")).content;
    const { rename } = Deno;
    Deno.rename = async (from, to) => {
      if (String(from).includes(".saving-")) throw new Error("no");
      await rename(from, to);
    };
    try {
      await assert.rejects(saveAgain(20), { message: "no" });
    } finally {
      Deno.rename = rename;
    }
    assert.deepEqual((await load(dir, "20")).content, before);

    // Killed at the same place, the next process puts it back.
    const aside = `${dir}/.replaced-step-00000020`;
    await Deno.rename(`${dir}/step-00000020`, aside);
    await openStore(dir).store.adopt(await load(dir));
    assert.deepEqual((await load(dir, "20")).content, before);
    // Killed a moment later, it removes the older of the two.
    await Deno.mkdir(aside);
    await saveAgain(20);
    assert.equal(await overview(dir), "10 20=latest");
    const rest = (await listTree(dir)).filter((path) => path.startsWith("."));
    assert.deepEqual(rest, []);
  }));

Deno.test("save() removes nothing that it cannot read", () =>
  inTempDir(async (dir) => {
    const { save } = openStore(dir, 1);
    await save(10);
    await Deno.truncate(`${dir}/step-00000010/manifest.json`, 5);
    await save(20);
    await save(30);
    assert.equal(await overview(dir), "10 30=latest");
  }));

Deno.test("save() removes what killed saves have left behind", () =>
  inTempDir(async (dir) => {
    await Deno.mkdir(`${dir}/.saving-step-00000010`);
    await Deno.writeTextFile(`${dir}/.saving-step-00000010/config.json`, "");
    await Deno.mkdir(`${dir}/.removed-step-00000005`);
    await Deno.writeTextFile(`${dir}/latest.tmp-123`, "");
    await Deno.writeTextFile(`${dir}/notes.txt`, "mine");
    await openStore(dir).save(10);
    assert.deepEqual(
      (await listTree(dir)).filter((path) => !path.startsWith("step-")),
      ["latest", "notes.txt"],
    );
  }));

Deno.test("save() asks for room before it reads the device", () =>
  inTempDir(async (dir) => {
    const store = new CheckpointStore(dir, {
      keep: 1,
      neededBytes: 48e6,
      free: () => Promise.resolve(12e6),
    });
    await assert.rejects(
      store.save(unreadable(5), { step: 5, best: false, periodic: true }),
      new UserError(
        `No room for checkpoint "step-00000005" in "${dir}": it needs ` +
          "48.0 MB, 12.0 MB are free",
        { hint: "free some space, or use another disk with --root DIR" },
      ),
    );
    assert.deepEqual(await listTree(dir), []);
  }));

Deno.test("save() asks for what the last one took, with its blocks", () =>
  inTempDir(async (dir) => {
    let free = 1e6;
    const { save } = openStore(dir, 3, {
      neededBytes: 1e6,
      free: () => Promise.resolve(free),
    });
    const { sizeBytes } = await save(10);
    free = sizeBytes + 16_384 - 1; // 4 of the blocks that files lie in
    await assert.rejects(save(20), UserError);
    free++;
    await save(20);
  }));

Deno.test("checkRoom() counts what is there and what is still free", () =>
  inTempDir(async (dir) => {
    const room = (freeMB: number) =>
      new CheckpointStore(dir, {
        keep: 2,
        neededBytes: 10e6,
        free: () => Promise.resolve(freeMB * 1e6),
      }).checkRoom();
    assert.equal(await room(40), null);
    assert.equal(
      await room(39),
      "Room on the disk for more checkpoints of 10.0 MB: 3; the run keeps " +
        "up to 4, 0 are there",
    );
    await assert.rejects(room(9), UserError);
    await openStore(dir).save(10);
    assert.equal(await room(39), null);
  }));

Deno.test("save() makes room for its pointer, too, but not of what it wrote", () =>
  inTempDir(async (dir) => {
    const { save } = openStore(dir);
    for (const step of [10, 20, 30]) await save(step);
    const { open } = Deno;
    let refusals = 0;
    Deno.open = async (path, options) => {
      if (
        /latest\.tmp-/.test(`${path}`) && await exists(`${dir}/step-00000020`)
      ) {
        refusals++;
        throw Object.assign(new Error("no room"), { code: "ENOSPC" });
      }
      return await open(path, options);
    };
    try {
      await save(40, { final: true });
    } finally {
      Deno.open = open;
    }
    assert.equal(refusals, 1);
    assert.equal(await overview(dir), "30 40=latest");
  }));

Deno.test("save() gives up nothing for its pointer that it has just written", () =>
  inTempDir(async (dir) => {
    const { save } = openStore(dir);
    await save(30);
    const { open } = Deno;
    Deno.open = async (path, options) => {
      if (!/latest\.tmp-/.test(`${path}`)) return await open(path, options);
      // As it looks while a disk fails to read it back.
      await flipBit(`${dir}/step-00000040/model.safetensors`);
      throw Object.assign(new Error("no room"), { code: "ENOSPC" });
    };
    try {
      await assert.rejects(save(40, { final: true }), { code: "ENOSPC" });
    } finally {
      Deno.open = open;
    }
    assert.equal(await overview(dir), "30=latest 40");
  }));

Deno.test("save() that fails leaves the older checkpoints and no rest", () =>
  inTempDir(async (dir) => {
    const { store, save } = openStore(dir);
    await save(10);
    // The model's file is written before the optimizer turns out wrong.
    const { params, ...rest } = snapshotAt(20);
    const broken = { ...rest, params, optimizer: [...params, ...params] };
    await assert.rejects(
      store.save(broken, {
        step: 20,
        best: true,
        periodic: true,
      }),
      RangeError,
    );
    assert.equal(await overview(dir), "10=latest");
    assert.ok(!(await listTree(dir)).includes(".saving-step-00000020"));
    await save(20);
    assert.equal(await overview(dir), "10 20=latest");
  }));

Deno.test("openWeights() does without the optimizer, openSnapshot() does not", () =>
  inTempDir(async (dir) => {
    await openStore(dir).save(10);
    await flipBit(`${dir}/step-00000010/optimizer.safetensors`);
    const { content } = await loadCheckpoint(dir, { read: openWeights });
    const source = { ...content, optimizer: [] };
    assert.deepEqual(
      { ...source, ...await readTensors(source) },
      { ...snapshotAt(10), optimizer: [] },
    );
    await assert.rejects(load(dir), UserError);
  }));

/** A snapshot that must not be read. */
function unreadable(step: number): SnapshotSource {
  const read = () => Promise.reject(new Error("must not be called"));
  const params = [{ name: "w", shape: [4], read }];
  return { ...snapshotAt(step), params };
}
