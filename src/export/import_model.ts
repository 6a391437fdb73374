/**
 * A model from elsewhere as a run with one checkpoint, at step 0: what
 * generates, evaluates, exports and is trained on like a run made here.
 *
 * @module
 */

import { writeJson } from "../base/json_file.ts";
import {
  type DeferredTensor,
  sizeBytesOf,
  type TensorSource,
  valuesOf,
} from "../base/safetensors.ts";
import type { HearthConfig } from "../config/hearth_config.ts";
import { configSchema } from "../config/schema.ts";
import { cropContext } from "../model/crop_context.ts";
import { hfConfig } from "../model/huggingface_config.ts";
import type { ModelConfig } from "../model/model_config.ts";
import { parameterCount } from "../model/model_size.ts";
import { CheckpointStore } from "../run/checkpoints/checkpoint_store.ts";
import { explainingIo } from "../run/files/explaining_io.ts";
import { initialMeta, type RunMeta, saveMeta } from "../run/files/meta.ts";
import { makeRunDirectory } from "../run/files/run_directory.ts";
import { initialRunState } from "../run/files/run_state.ts";
import { nextOrder } from "../run/files/runs.ts";
import { initialState } from "../train/trainer_state.ts";
import { openModelFolder } from "./model_folder.ts";
import { watchedTensors } from "./watched_tensors.ts";

/** What to import, and as what. */
export interface ImportOptions {
  /** The directory of `data`, `runs` and `checkpoints`. */
  root: string;
  /** A folder as Hugging Face's `save_pretrained` writes it. */
  folder: string;
  /** What a person called it, for `meta.json`. Default: the folder. */
  source?: string;
  /** Chosen for it if left out. */
  runId?: string;
  /** A shorter context than the model's own. */
  seqLen?: number;
  /** What was typed, for `meta.json`. */
  commandLine: readonly string[];
  /** Ends the import: nothing is left on the disk then. */
  signal?: AbortSignal;
  /** Hears the share of the tensors that is read. */
  onProgress?: (fraction: number) => void;
}

/** What came of it. */
export interface Imported {
  /** The run that the model is now. */
  runId: string;
  /** Its one checkpoint, such as `step-00000000`. */
  checkpoint: string;
  /** The shape of the model. */
  config: ModelConfig;
  /** Trainable numbers; a tied head counts once. */
  parameterCount: number;
  /** Of the checkpoint. */
  sizeBytes: number;
}

/**
 * Imports a model.
 *
 * @throws {UserError} If the folder holds none that runs here, the id is taken
 * or the disk has no room; nothing is left on it then.
 */
export async function importModel(options: ImportOptions): Promise<Imported> {
  const { root, folder, runId: wanted, commandLine, seqLen } = options;
  const opened = await openModelFolder(folder);
  const { config, tensors } = seqLen === undefined
    ? opened
    : cropContext(opened, seqLen);
  const parameters = parameterCount(config);
  const { bos_token_id = null, eos_token_id = null } = opened.tokens;

  const created = await makeRunDirectory(root, wanted);
  const { runId, paths } = created;
  try {
    const meta: RunMeta = {
      ...initialMeta({
        runId,
        config: importedSettings(config),
        commandLine,
        order: await nextOrder(root),
      }),
      parameterCount: parameters,
      imported: { source: options.source ?? folder },
    };
    const store = new CheckpointStore(paths.checkpoints, {
      keep: 1,
      neededBytes: tensors.reduce((n, t) => n + sizeBytesOf(t), 0) +
        3 * opened.tokenizerJson.length + 1_000_000,
      meta,
    });
    await store.checkRoom();
    const saved = await explainingIo(paths.checkpoints, () =>
      store.save({
        params: watchedTensors(tensors.map(deferred), options),
        optimizer: [],
        trainer: initialState({ totalSteps: 0, kernels: "" }),
        modelConfig: {
          ...hfConfig(config, { endOfText: opened.endOfText }),
          bos_token_id,
          eos_token_id,
        },
        tokenizerJson: opened.tokenizerJson,
      }, { step: 0, best: false, periodic: false, final: true }));
    await explainingIo(paths.dir, async () => {
      await saveMeta(paths.meta, meta);
      await writeJson(paths.state, {
        ...initialRunState(runId, "completed"),
        step: 0,
        totalSteps: 0,
        lastCheckpoint: saved.name,
        updatedAt: new Date().toISOString(),
      });
    });
    return {
      runId,
      checkpoint: saved.name,
      config,
      parameterCount: parameters,
      sizeBytes: saved.sizeBytes,
    };
  } catch (error) {
    await Deno.remove(paths.checkpoints, { recursive: true }).catch(() => {});
    await created.undo();
    throw error;
  }
}

/** The model's shape as settings; all else is at its default. */
function importedSettings(config: ModelConfig): HearthConfig {
  const { headDim: _, vocabSize: _vocabSize, ...model } = config;
  return configSchema.parse({
    model: { ...model, dropout: 0 },
    tokenizer: { type: "file", path: "tokenizer.json" },
  });
}

/** A tensor to be read, wherever it is. */
function deferred(tensor: TensorSource): DeferredTensor {
  const { name, shape } = tensor;
  return { name, shape, read: () => valuesOf(tensor) };
}
