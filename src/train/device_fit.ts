/**
 * What the settings of a run mean for a device, and the other way round: the
 * work of a step, and the batch that the device does well.
 *
 * @module
 */

import type { Backend } from "../backend/backend.ts";
import { estimateWork, type StepWork } from "../backend/devices/auto_device.ts";
import type { HearthConfig } from "../config/hearth_config.ts";
import { programMemory } from "../graph/program_memory.ts";
import { resolveLora } from "../model/lora.ts";
import { resolveModel } from "../model/model_config.ts";
import { parameterCount } from "../model/model_size.ts";
import { type BatchChoice, chooseBatchSize } from "./auto_batch.ts";
import { buildStepProgram } from "./step_program.ts";

/** Vocabulary of `byte`, and more than most texts have characters. */
const BYTES = 256;
/** About what a batch holds that is left to us: that depends on the device. */
export const AUTO_TOKENS = 4096;

/** The work of a micro-step, roughly: only the data tells the vocabulary. */
export function stepWork({ model, tokenizer, train }: HearthConfig): StepWork {
  const { nLayer: L, nEmbd: C, seqLen: T } = model;
  const { type, vocabSize } = tokenizer;
  const resolved = resolveModel(model, type === "bpe" ? vocabSize : BYTES);
  const B = train.batchSize || Math.ceil(AUTO_TOKENS / T);
  const parameters = parameterCount(resolved);
  return estimateWork({ B, T, C, L, parameterCount: parameters });
}

/**
 * The batch for a device, once the data is known.
 *
 * @param facts.memoryBytes What a program may take of it; null if unknown.
 * @param facts.windows Training sequences there are.
 */
export function autoBatch(
  { model, train, lora: section }: HearthConfig,
  { backend, memoryBytes, vocabSize, windows }: {
    backend: Pick<Backend, "device" | "limits" | "memoryOf">;
    memoryBytes: number | null;
    vocabSize: number;
    windows: number;
  },
): BatchChoice {
  const resolved = resolveModel(model, vocabSize);
  const lora = resolveLora(section, resolved);
  return chooseBatchSize({
    seqLen: model.seqLen,
    bytesOf: (batchSize) => {
      const options = { ...train, batchSize, lora };
      const program = buildStepProgram(resolved, options);
      return backend.memoryOf?.(program) ?? programMemory(program);
    },
    memoryBytes,
    tensorBytes: backend.limits?.tensorBytes ?? null,
    windows,
    isGpu: backend.device.adapter?.isSoftware === false,
  });
}
