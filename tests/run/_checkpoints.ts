import {
  listCheckpoints,
  readPointer,
} from "../../src/run/checkpoints/checkpoint_list.ts";
import {
  CheckpointStore,
  type StoreOptions,
} from "../../src/run/checkpoints/checkpoint_store.ts";
import type { SavedCheckpoint } from "../../src/train/saving.ts";
import { snapshotAt } from "./_snapshot.ts";

/** How a test saves; the trainer's best step is that of the last best. */
export interface Save {
  best?: boolean;
  periodic?: boolean;
  final?: boolean;
  bestStep?: number | null;
}

/** A store, and a way to save a small snapshot with it. */
export function openStore(
  dir: string,
  keep = 2,
  options: Partial<StoreOptions> = {},
): {
  store: CheckpointStore;
  save: (step: number, info?: Save) => Promise<SavedCheckpoint>;
} {
  const store = new CheckpointStore(dir, { keep, neededBytes: 1, ...options });
  const save = (
    step: number,
    { best = false, periodic = true, final, bestStep }: Save = {},
  ) => {
    const snapshot = snapshotAt(step);
    snapshot.trainer.bestStep = bestStep ?? (best ? step : null);
    return store.save(snapshot, {
      step,
      best,
      periodic,
      final,
    });
  };
  return { store, save };
}

/** Steps on disk and what points to them, such as `3 4=latest`. */
export async function overview(dir: string): Promise<string> {
  const latest = await readPointer(dir, "latest");
  const best = await readPointer(dir, "best");
  const steps = (await listCheckpoints(dir)).map(({ name }) =>
    Number(name.slice("step-".length)) +
    (name === latest ? "=latest" : "") + (name === best ? "=best" : "")
  );
  return steps.reverse().join(" ");
}

/** Changes one bit of a file. @param at Of its bytes; 0.5 is the middle. */
export async function flipBit(path: string, at = 0.5): Promise<void> {
  const bytes = await Deno.readFile(path);
  bytes[Math.min(bytes.length - 1, Math.floor(bytes.length * at))] ^= 0x10;
  await Deno.writeFile(path, bytes);
}
