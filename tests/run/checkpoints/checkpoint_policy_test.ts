/**
 * Whatever happens to a run's checkpoints, in whatever order: what is good
 * stays, as the oracle below, which knows only files, finds out.
 *
 * @module
 */

import assert from "node:assert/strict";
import {
  listCheckpoints,
  loadCheckpoint,
  readPointer,
} from "../../../src/run/checkpoints/checkpoint_list.ts";
import { dispensable } from "../../../src/run/checkpoints/checkpoint_policy.ts";
import { draws, fc } from "../../_property.ts";
import { flipBit, openStore } from "../_checkpoints.ts";
import { inTempDir } from "../_helpers.ts";
import { readSnapshot } from "../_snapshot.ts";

const KEEP = 2;

/** What can happen to a directory of checkpoints. */
type Deed =
  | { do: "save"; best: boolean; periodic: boolean; final: boolean }
  | { do: "save that fails"; at: number }
  | {
    do: "save without room";
    free: number;
    final: boolean;
    failsAt: number | null;
  }
  | { do: "resume"; which: number | null }
  | { do: "damage"; which: number; file: string; at: number }
  | { do: "lose pointer"; pointer: "latest" | "best"; text: string | null };

const files = [
  "model.safetensors",
  "optimizer.safetensors",
  "trainer.json",
  "tokenizer.json",
  "config.json",
  "manifest.json",
];
const deed: fc.Arbitrary<Deed> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("save" as const),
      best: fc.boolean(),
      periodic: fc.boolean(),
      final: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("save that fails" as const),
      at: fc.nat(6), // which of the files cannot be opened
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("save without room" as const),
      free: fc.constantFrom(-2000, 0, 500), // 1000 are needed
      final: fc.boolean(),
      failsAt: fc.option(fc.nat(6)), // although an older one has made room
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("resume" as const),
      which: fc.option(fc.nat(5)),
    }),
  },
  fc.record({
    do: fc.constant("damage" as const),
    which: fc.nat(5),
    file: fc.constantFrom(...files),
    at: fc.double({ min: 0, max: 1, noNaN: true }),
  }),
  fc.record({
    do: fc.constant("lose pointer" as const),
    pointer: fc.constantFrom("latest" as const, "best" as const),
    text: fc.option(fc.constantFrom("", "step-00000999", "../../..", "step-1")),
  }),
);

/** What is on disk: the good ones, newest first, and both pointers. */
async function look(dir: string) {
  const good: string[] = [];
  for (const { name, dir: path } of await listCheckpoints(dir)) {
    const isGood = await readSnapshot(path).then(() => true, () => false);
    if (isGood) good.push(name);
  }
  const latest = await readPointer(dir, "latest");
  const best = await readPointer(dir, "best");
  return { good, latest, best };
}

/** Lets the `nth` file of the next checkpoint, from 0, meet a full disk. */
async function whileDiskIsFull(
  nth: number,
  work: () => Promise<unknown>,
): Promise<void> {
  const { open } = Deno;
  let count = 0;
  Deno.open = async (path, options) => {
    if (options?.create && count++ === nth) {
      throw Object.assign(new Error("full"), { code: "ENOSPC" });
    }
    return await open(path, options);
  };
  try {
    await work();
  } catch (error) {
    const { name, code } = error as { name: string; code?: string };
    assert.ok(name === "UserError" || code === "ENOSPC", String(error));
  } finally {
    Deno.open = open;
  }
}

/** A run that goes through all that, and looks after each deed. */
async function live(dir: string, deeds: readonly Deed[]): Promise<void> {
  let free = 1e9;
  const open = () =>
    openStore(dir, KEEP, {
      neededBytes: 1000,
      free: () => Promise.resolve(free),
    });
  let { store, save } = open();
  let step = 0;
  await save(++step);

  for (const one of deeds) {
    const before = await look(dir);
    if (one.do === "save") {
      const { name } = await save(++step, one);
      const after = await look(dir);
      assert.equal(after.latest, name);
      assert.equal(after.good[0], name);
      if (one.best) assert.equal(after.best, name);
      const loaded = await loadCheckpoint(dir, { read: readSnapshot });
      assert.deepEqual([loaded.name, loaded.warnings], [name, []]);
      // Periodic ones, the latest, and two that were best or adopted.
      assert.ok(after.good.length <= KEEP + 3, `${after.good} are left`);
    } else if (one.do === "save that fails") {
      await whileDiskIsFull(one.at, () => save(step + 1, { best: true }));
      const { latest } = await look(dir);
      if (latest !== before.latest) step++; // it went well after all
    } else if (one.do === "save without room") {
      free = one.free;
      const { final, failsAt } = one;
      await whileDiskIsFull(
        failsAt ?? Infinity,
        () => save(step + 1, { final }),
      );
      free = 1e9;
      const { latest } = await look(dir);
      if (latest !== before.latest) step++; // an older one has made room
    } else if (one.do === "resume") {
      const choice = before.good.at(one.which ?? 0);
      if (choice === undefined) continue;
      ({ store, save } = open());
      const loaded = await loadCheckpoint(dir, {
        choice: one.which === null ? undefined : choice,
        read: readSnapshot,
      });
      await store.adopt(loaded);
      step = loaded.content.trainer.step;
      assert.equal((await look(dir)).latest, loaded.name);
    } else if (one.do === "damage") {
      const victim = (await listCheckpoints(dir)).at(one.which);
      if (victim === undefined) continue;
      await flipBit(`${victim.dir}/${one.file}`, one.at);
      continue; // what was good may be good no more
    } else {
      const path = `${dir}/${one.pointer}`;
      if (one.text === null) await Deno.remove(path).catch(() => {});
      else await Deno.writeTextFile(path, one.text);
      continue;
    }

    const after = await look(dir);
    // 1. Only a newer good one takes the place of the newest good one; who goes
    //    back makes an older one the newest.
    const { latest } = before;
    const newestGood = latest !== null && before.good.includes(latest)
      ? latest
      : before.good.at(0);
    if (newestGood !== undefined && after.latest === latest) {
      assert.ok(after.good.includes(newestGood), `lost ${newestGood}`);
    }
    // 2. What was pointed to, and good, is there unless the pointer moved.
    for (const pointer of ["latest", "best"] as const) {
      const name = before[pointer];
      if (name === null || !before.good.includes(name)) continue;
      if (after[pointer] !== name) continue;
      assert.ok(after.good.includes(name), `lost ${pointer}, ${name}`);
    }
    // 3. Something good is left if there was.
    assert.ok(after.good.length > 0 || before.good.length === 0);
  }
}

Deno.test("the best and the newest good checkpoint survive whatever happens", () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(deed, { minLength: 1, maxLength: 12 }),
      (deeds) => inTempDir((dir) => live(dir, deeds)),
    ),
    { numRuns: draws(20) },
  ));

Deno.test("dispensable() spares the newest good one, whatever is pointed to", () =>
  inTempDir(async (dir) => {
    const { save } = openStore(dir, 3);
    for (const step of [1, 2, 3]) await save(step);
    await flipBit(`${dir}/step-00000003/model.safetensors`);
    const spared = new Set(["step-00000003"]);
    const names = async (final: boolean) =>
      (await dispensable(dir, { keep: 3, spared, periodic: true, final }))
        .map(({ entry }) => entry.name);
    assert.deepEqual(await names(true), ["step-00000001"]);
    // Otherwise only what would go anyway: two besides the one to come stay.
    assert.deepEqual(await names(false), ["step-00000001"]);
    await flipBit(`${dir}/step-00000002/model.safetensors`);
    assert.deepEqual(await names(true), ["step-00000002"]);
  }));
