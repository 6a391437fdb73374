/**
 * A moment of a training run: all that a checkpoint holds, in memory.
 *
 * @module
 */

import type { Executable } from "../backend/backend.ts";
import { UserError } from "../base/errors.ts";
import { release } from "../base/release.ts";
import {
  type DeferredTensor,
  type NamedTensor,
  type TensorSource,
  valuesOf,
} from "../base/safetensors.ts";
import { sizeOf } from "../graph/tensor.ts";
import {
  eachFromHuggingFace,
  huggingFaceTensors,
} from "../model/huggingface.ts";
import {
  adapterParameters,
  type Lora,
  trainableParameters,
} from "../model/lora.ts";
import { checkedFactors } from "../model/lora_merge.ts";
import type { ModelConfig } from "../model/model_config.ts";
import type { BaseRef } from "./base_model.ts";
import { moments } from "./step_program.ts";
import type { TrainerState } from "./trainer_state.ts";

/** What a checkpoint is made from, and what a run is resumed from. */
export interface Snapshot {
  /**
   * Under Hugging Face's names: `model.safetensors`. With `adapter`, A and B
   * of every adapter in our own names: `adapter.safetensors`.
   */
  params: NamedTensor[];
  /** AdamW's `m.<param>` and `v.<param>`, in our own names and shapes. */
  optimizer: NamedTensor[];
  /** Only adapters were trained, beside a model that lies elsewhere. */
  adapter?: TrainedAdapters;
  trainer: TrainerState;
  /** Hugging Face's `config.json`. */
  modelConfig: object;
  tokenizerJson: string;
}

/** What adapters are, and beside which model: `adapter.json`. */
export interface TrainedAdapters {
  lora: Lora;
  base: BaseRef;
}

/** The tensors of a {@linkcode Snapshot}. */
export type SnapshotTensors = Pick<Snapshot, "params" | "optimizer">;

/**
 * A snapshot whose tensors may still be on the device, where the next step
 * changes them, or in a file. A {@linkcode Snapshot} is one, too.
 */
export interface SnapshotSource
  extends Omit<Snapshot, keyof SnapshotTensors>, SourceTensors {
  /**
   * With `adapter`, in what is to be restored: the frozen model, under Hugging
   * Face's names.
   */
  readonly frozen?: readonly TensorSource[];
}

/** The tensors of a {@linkcode SnapshotSource}. */
export interface SourceTensors {
  readonly params: readonly TensorSource[];
  readonly optimizer: readonly TensorSource[];
}

/**
 * Parameters and optimizer as they are on the device, each copied from there
 * when it is read: a model and its optimizer need not fit in memory twice.
 */
export function deviceTensors(
  executable: Executable,
  model: ModelConfig,
  lora: Lora | null = null,
): { params: DeferredTensor[]; optimizer: DeferredTensor[] } {
  const read = (name: string) => readF32(executable, name);
  const whole = (name: string, shape: readonly number[]) => ({
    name,
    shape,
    read: () => read(name),
  });
  const trainable = trainableParameters(model, lora);
  const optimizer = trainable.flatMap(({ name, shape }) => [
    whole(moments.m(name), shape),
    whole(moments.v(name), shape),
  ]);
  if (lora) {
    const params = trainable.map(({ name, shape }) => whole(name, shape));
    return { params, optimizer };
  }
  const params = huggingFaceTensors(model).map(
    ({ name, shape, param, offset }) => {
      const size = sizeOf(shape);
      const part = async (param: string) =>
        (await read(param)).subarray(offset, offset + size);
      const zeros = () => Promise.resolve(new Float32Array(size));
      return { name, shape, read: () => param ? part(param) : zeros() };
    },
  );
  return { params, optimizer };
}

/** Bytes on disk of the tensors of a snapshot: f32 parameter, m and v. */
export function tensorBytes(trainableCount: number): number {
  return 3 * 4 * trainableCount;
}

/** Copies all of the tensors. */
export async function readTensors(
  { params, optimizer }: SourceTensors,
): Promise<SnapshotTensors> {
  return { params: await readAll(params), optimizer: await readAll(optimizer) };
}

/**
 * Copies parameters and optimizer to the device, tensor by tensor.
 *
 * @param lora Of adapters, beside the frozen model of `source`.
 * @throws {UserError} If they do not belong to this model.
 */
export async function writeTensors(
  executable: Executable,
  model: ModelConfig,
  source: SourceTensors & Pick<SnapshotSource, "frozen">,
  lora: Lora | null = null,
): Promise<void> {
  const { params, optimizer, frozen = [] } = source;
  const given = new Map(optimizer.map((tensor) => [tensor.name, tensor]));
  if (lora) await writeModel(executable, model, frozen);
  const trained = lora
    ? eachFactor(model, lora, params)
    : eachFromHuggingFace(model, params);
  for await (const [name, values] of trained) {
    executable.write(name, values);
    for (const moment of [moments.m(name), moments.v(name)]) {
      const tensor = given.get(moment);
      if (!tensor || sizeOf(tensor.shape) !== values.length) {
        throw new UserError(
          `Cannot resume: the optimizer's "${moment}" has ` +
            `${tensor ? sizeOf(tensor.shape) : 0} values, expected ` +
            `${values.length}`,
          { hint: "resume from another checkpoint of this run" },
        );
      }
      const data = await valuesOf(tensor);
      executable.write(moment, data);
      if (!("data" in tensor)) release(data);
    }
  }
}

/** Copies a model's parameters to the device, from Hugging Face's names. */
export async function writeModel(
  executable: Executable,
  model: ModelConfig,
  tensors: readonly TensorSource[],
): Promise<void> {
  for await (const [name, values] of eachFromHuggingFace(model, tensors)) {
    executable.write(name, values);
  }
}

/** A and B of every adapter, one after another. */
async function* eachFactor(
  model: ModelConfig,
  lora: Lora,
  factors: readonly TensorSource[],
): AsyncGenerator<[name: string, values: Float32Array]> {
  const given = checkedFactors(model, lora, factors);
  for (const { name } of adapterParameters(model, lora)) {
    yield [name, await valuesOf(given.get(name)!)];
  }
}

async function readAll(
  tensors: readonly TensorSource[],
): Promise<NamedTensor[]> {
  const result: NamedTensor[] = [];
  for (const tensor of tensors) {
    const { name, shape } = tensor;
    result.push({ name, shape, data: await valuesOf(tensor) });
  }
  return result;
}

async function readF32(
  executable: Executable,
  name: string,
): Promise<Float32Array> {
  return await executable.read(name) as Float32Array; // all of these are f32
}
