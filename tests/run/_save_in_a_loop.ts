/**
 * Saves checkpoint after checkpoint into a directory, on from the latest one,
 * until it is killed: `deno run _save_in_a_loop.ts DIR`.
 *
 * @module
 */

import { loadCheckpoint } from "../../src/run/checkpoints/checkpoint_list.ts";
import { CheckpointStore } from "../../src/run/checkpoints/checkpoint_store.ts";
import { readSnapshot, snapshotAt } from "./_snapshot.ts";

const [dir] = Deno.args;
const store = new CheckpointStore(dir, { keep: 2, neededBytes: 1 });
const latest = await loadCheckpoint(dir, { read: readSnapshot })
  .catch(() => null);
if (latest) await store.adopt(latest);

const firstStep = (latest?.content.trainer.step ?? 0) + 1;
for (let step = firstStep;; step++) {
  // 300 kB, so that a kill often strikes in the middle of a file.
  const snapshot = snapshotAt(step, 25_000);
  await store.save(snapshot, { step, best: step % 3 === 0, periodic: true });
  if (step === firstStep + 2) console.log("ready"); // there is a best one, too
}
