import assert from "node:assert/strict";
import { listCheckpoints } from "../../../src/run/checkpoints/checkpoint_list.ts";
import { flipBit, openStore, overview } from "../_checkpoints.ts";
import { inTempDir } from "../_helpers.ts";

/** A disk with room for so many checkpoints in all, other files left out. */
function smallDisk(dir: string, capacity: number) {
  const warnings: string[] = [];
  const options = {
    neededBytes: 1000, // a little less than a test checkpoint has
    warn: (message: string) => warnings.push(message),
    free: async () =>
      1000 * (capacity - (await listCheckpoints(dir)).length) + 500,
  };
  return { warnings, options };
}

const noRoom = /^No room for checkpoint "step-000000\d\d" in /;

Deno.test("a full disk gives up what is not kept any more, before the save", () =>
  inTempDir(async (dir) => {
    const { warnings, options } = smallDisk(dir, 3);
    const { save } = openStore(dir, 2, options);
    await save(10, { best: true });
    for (const step of [20, 30]) await save(step);
    assert.equal(await overview(dir), "10=best 20 30=latest");
    // With step 40 there would be four; 20 goes one moment earlier.
    await save(40);
    assert.equal(await overview(dir), "10=best 30 40=latest");
    assert.deepEqual(warnings, []); // it had to go anyway
  }));

Deno.test("a full disk keeps what is kept, unless it is the last save", () =>
  inTempDir(async (dir) => {
    const { warnings, options } = smallDisk(dir, 3);
    const { save } = openStore(dir, 3, options);
    for (const step of [10, 20, 30]) await save(step);
    await assert.rejects(save(35, { periodic: false }), { message: noRoom });
    assert.equal(await overview(dir), "10 20 30=latest");
    assert.deepEqual(warnings, []);
    await save(35, { periodic: false, final: true });
    assert.equal(await overview(dir), "20 30 35=latest");
    assert.deepEqual(warnings, [
      "Removed step-00000010: the disk has no room for the last checkpoint, " +
      "step-00000035, besides",
    ]);
  }));

Deno.test("a full disk never gives up best, latest or the newest good one", () =>
  inTempDir(async (dir) => {
    const { options } = smallDisk(dir, 3);
    const { save } = openStore(dir, 3, options);
    await save(10, { best: true });
    for (const step of [20, 30]) await save(step);
    await flipBit(`${dir}/step-00000030/optimizer.safetensors`);
    // Of 10, the best, 20, the newest good, and 30, the latest, none can go.
    await assert.rejects(save(40, { final: true }), { message: noRoom });
    assert.equal(await overview(dir), "10=best 20 30=latest");
  }));

Deno.test("a full disk gives up nothing when that would not be enough", () =>
  inTempDir(async (dir) => {
    const { options } = smallDisk(dir, 3);
    const { save } = openStore(dir, 3, options);
    for (const step of [10, 20, 30]) await save(step);
    const { save: saveBig } = openStore(dir, 3, {
      ...options,
      neededBytes: 1e6, // the two older ones would not make room
    });
    await assert.rejects(saveBig(40, { final: true }), { message: noRoom });
    assert.equal(await overview(dir), "10 20 30=latest");
  }));

Deno.test("a quota that shows only when writing gives up one and tries again", () =>
  inTempDir(async (dir) => {
    const { save } = openStore(dir, 3, { neededBytes: 1000 });
    for (const step of [10, 20, 30]) await save(step);
    const { open } = Deno;
    // There is room for three directories of checkpoints, not for four.
    Deno.open = async (path, options) => {
      const { length } = await listCheckpoints(dir);
      if (length >= 3 && /.saving-.*optimizer/.test(String(path))) {
        throw Object.assign(new Error(), { code: "EDQUOT" });
      }
      return await open(path, options);
    };
    try {
      await assert.rejects(save(35, { periodic: false }), { code: "EDQUOT" });
      assert.equal(await overview(dir), "10 20 30=latest");
      await save(40);
      assert.equal(await overview(dir), "20 30 40=latest");
    } finally {
      Deno.open = open;
    }
  }));
