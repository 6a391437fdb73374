import { openSnapshot } from "../../src/run/checkpoints/checkpoint_files.ts";
import { readTensors, type Snapshot } from "../../src/train/snapshot.ts";
import { initialState } from "../../src/train/trainer_state.ts";

/** A snapshot whose numbers are all `step`. */
export function snapshotAt(step: number, values = 4): Snapshot {
  const tensor = (name: string) => ({
    name,
    shape: [values],
    data: new Float32Array(values).fill(step),
  });
  return {
    params: [tensor("w")],
    optimizer: [tensor("m.w"), tensor("v.w")],
    trainer: {
      ...initialState({ totalSteps: 1000, kernels: "none" }),
      step,
    },
    modelConfig: { model_type: "gpt2" },
    tokenizerJson: `{"step":${step}}`,
  };
}

/** All that a checkpoint holds, in memory. @throws {DamagedCheckpoint} */
export async function readSnapshot(dir: string): Promise<Snapshot> {
  const source = await openSnapshot(dir);
  return { ...source, ...await readTensors(source) };
}
