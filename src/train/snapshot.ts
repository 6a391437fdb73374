/**
 * A moment of a training run: all that a checkpoint holds, in memory.
 *
 * @module
 */

import type { Executable } from "../backend/backend.ts";
import { UserError } from "../base/errors.ts";
import type { NamedTensor } from "../base/safetensors.ts";
import { fromHuggingFace, toHuggingFace } from "../model/huggingface.ts";
import type { ModelConfig } from "../model/model_config.ts";
import { parameters } from "../model/parameters.ts";
import { moments } from "./step_program.ts";
import type { TrainerState } from "./trainer_state.ts";

/** What a checkpoint is made from, and what a run is resumed from. */
export interface Snapshot {
  /** Under Hugging Face's names: `model.safetensors`. */
  params: NamedTensor[];
  /** AdamW's `m.<param>` and `v.<param>`, in our own names and shapes. */
  optimizer: NamedTensor[];
  trainer: TrainerState;
  /** Hugging Face's `config.json`. */
  modelConfig: object;
  tokenizerJson: string;
}

/** The tensors of a {@linkcode Snapshot}. */
export type SnapshotTensors = Pick<Snapshot, "params" | "optimizer">;

/** Copies parameters and optimizer from the device. */
export async function readTensors(
  executable: Executable,
  model: ModelConfig,
): Promise<SnapshotTensors> {
  const values = new Map<string, Float32Array>();
  const optimizer: NamedTensor[] = [];
  for (const { name, shape } of parameters(model)) {
    values.set(name, await readF32(executable, name));
    for (const moment of [moments.m(name), moments.v(name)]) {
      const data = await readF32(executable, moment);
      optimizer.push({ name: moment, shape, data });
    }
  }
  return {
    params: toHuggingFace(model, (name) => values.get(name)!),
    optimizer,
  };
}

/**
 * Copies parameters and optimizer to the device.
 *
 * @throws {UserError} If they do not belong to this model.
 */
export function writeTensors(
  executable: Executable,
  model: ModelConfig,
  { params, optimizer }: SnapshotTensors,
): void {
  const values = fromHuggingFace(model, params);
  const given = new Map(optimizer.map((tensor) => [tensor.name, tensor.data]));
  for (const [name, value] of values) {
    executable.write(name, value);
    for (const moment of [moments.m(name), moments.v(name)]) {
      const data = given.get(moment);
      if (data?.length !== value.length) {
        throw new UserError(
          `Cannot resume: the optimizer's "${moment}" has ` +
            `${data?.length ?? 0} values, expected ${value.length}`,
          { hint: "resume from another checkpoint of this run" },
        );
      }
      executable.write(moment, data);
    }
  }
}

async function readF32(
  executable: Executable,
  name: string,
): Promise<Float32Array> {
  return await executable.read(name) as Float32Array; // all of these are f32
}
