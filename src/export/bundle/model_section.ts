/**
 * The model inside of a bundle: a safetensors file at the end of it, whose
 * metadata holds configuration and tokenizer as well.
 *
 * @module
 */

import { z } from "zod";
import { errorMessage } from "../../base/errors.ts";
import type { FloatFormat } from "../../base/float_formats.ts";
import { parseJson } from "../../base/parse_json.ts";
import {
  type DeferredTensor,
  deferTensors,
  readSafetensorsHeader,
  type TensorSource,
  writeSafetensors,
} from "../../base/safetensors.ts";
import { type FileSeal, sealOf } from "../../base/sealed_file.ts";
import { type BundledModel, damagedBundle } from "./bundled_model.ts";

/** What to put into a bundle. */
export interface ModelToBundle {
  runId: string;
  /** Such as `step-00000500`. */
  checkpoint: string;
  step: number;
  dtype: FloatFormat;
  /** Hugging Face's `config.json`. */
  modelConfig: object;
  tokenizerJson: string;
  tensors: readonly TensorSource[];
}

/** What {@linkcode appendModel} says of the model besides its tensors. */
const metadataSchema = z.object({
  runId: z.string(),
  checkpoint: z.string(),
  step: z.string().regex(/^\d{1,15}$/).transform(Number),
  config: z.string(),
  tokenizer: z.string(),
});

/** A model that was opened; its tensors are read when asked for. */
export interface OpenedBundle {
  runId: string;
  /** Name of the checkpoint. */
  name: string;
  step: number;
  warnings: readonly string[];
  content: {
    /** Hugging Face's `config.json`. */
    modelConfig: unknown;
    tokenizerJson: string;
    params: DeferredTensor[];
  };
}

/** Appends the model to a file. @returns The seal of what was appended. */
export async function appendModel(
  path: string,
  { tensors, dtype, ...model }: ModelToBundle,
): Promise<FileSeal> {
  return await writeSafetensors(path, tensors, {
    dtype,
    append: true,
    metadata: {
      runId: model.runId,
      checkpoint: model.checkpoint,
      step: `${model.step}`,
      config: JSON.stringify(model.modelConfig),
      tokenizer: model.tokenizerJson,
    },
  });
}

/**
 * Opens the model of a bundle, once every byte of it is checked.
 *
 * @throws {UserError} If it is damaged.
 */
export async function openBundledModel(
  bundled: BundledModel,
): Promise<OpenedBundle> {
  const { path, from } = bundled;
  try {
    const { sha256 } = await sealOf(path, { from });
    if (sha256 !== bundled.sha256) throw new Error("its checksum differs");
    const header = await readSafetensorsHeader(path, { from });
    const { runId, checkpoint, step, config, tokenizer } = parseMetadata(
      header.metadata,
    );
    return {
      runId,
      name: checkpoint,
      step,
      warnings: [],
      content: {
        modelConfig: parseJson(config),
        tokenizerJson: tokenizer,
        params: deferTensors(path, header),
      },
    };
  } catch (cause) {
    throw damagedBundle(path, errorMessage(cause), cause);
  }
}

function parseMetadata(
  metadata: Record<string, string>,
): z.output<typeof metadataSchema> {
  const { data, error } = metadataSchema.safeParse(metadata);
  if (data) return data;
  const [{ path, message }] = error.issues;
  throw new Error(`its metadata is damaged: ${path.join(".")}: ${message}`);
}
