/**
 * The loss of a checkpoint on a text.
 *
 * @module
 */

import { openBackend } from "../../backend/devices/open_backend.ts";
import { EXIT, UserError } from "../../base/errors.ts";
import { openDataset } from "../../data/open_dataset.ts";
import { describeProgress } from "../../data/progress.ts";
import { checkVocabulary } from "../../model/check_vocabulary.ts";
import { eachFromHuggingFace } from "../../model/huggingface.ts";
import { configFromHf } from "../../model/huggingface_config.ts";
import { loadChosen } from "../../run/checkpoints/checkpoint_ref.ts";
import { loadMeta } from "../../run/files/meta.ts";
import { rootPaths, runPaths } from "../../run/files/run_paths.ts";
import { formatDevice } from "../../run/log_line.ts";
import {
  evalBatchCount,
  type EvalResult,
  openEvaluation,
} from "../../train/evaluate.ts";

/** The root of the runs, and where a person reads along. */
export interface EvalHost {
  readonly root: string;
  warn(message: string): void;
  note(message: string): void;
}

/** What to evaluate on, and with. */
export interface EvalOptions {
  /** Another text than the run's own. */
  dataset?: string;
  /** Use only this many batches. */
  batches?: number;
  /** Default: `auto`. */
  device?: string;
  /** Whether to fail where that is not there. */
  strictDevice?: boolean;
  /** CPU threads; 0, the default, is one per physical core. */
  threads?: number;
  /** Ends the evaluation: the promise rejects with its reason. */
  signal?: AbortSignal;
  /** Hears what is being done, and the part that is done, if known. */
  onStage?: (stage: string, fraction: number | null) => void;
}

/** What came out. */
export interface CheckpointEval extends EvalResult {
  /** Which run. */
  runId: string;
  /** Which of its checkpoints, such as `step-00000500`. */
  checkpoint: string;
  /** The text, as the user named it, or in words. */
  dataset: string;
  /** What computed it, as in `state.json`: `cpu: AMD EPYC, 2 threads`. */
  device: string;
  /** What is not as it was asked for. */
  warnings: readonly string[];
  /** How the device was decided on, where that is not plain. */
  notes: readonly string[];
  /** `exp(valLoss)`: as uncertain as a guess among so many tokens. */
  perplexity: number;
}

/**
 * Evaluates the checkpoint that `ref` means; see checkpoint_ref.ts.
 *
 * @throws {UserError} For a checkpoint, data or a device that cannot be used.
 * @throws {DOMException} If `signal` ended it.
 */
export async function evaluateCheckpoint(
  host: EvalHost,
  ref: string,
  options: EvalOptions,
): Promise<CheckpointEval> {
  const { signal, device = "auto", strictDevice, threads = 0 } = options;
  const onStage = options.onStage ?? (() => {});
  const chosen = await loadChosen(host.root, ref);
  const { runId, content } = chosen;
  const { config, imported } = await loadMeta(runPaths(host.root, runId).meta);
  if (imported && options.dataset === undefined) {
    throw new UserError(
      `Cannot evaluate "${runId}" on its own text: it was imported without`,
      {
        hint: `type hearth eval ${runId} --dataset TEXT`,
        exitCode: EXIT.usage,
      },
    );
  }
  const model = configFromHf(content.modelConfig);
  const { batchSize } = config.train;

  await using opened = new AsyncDisposableStack();
  const { dataset, tokenizer } = await openDataset({
    // Another text is used whole.
    ...options.dataset === undefined ? { data: config.data } : {
      data: { ...config.data, valDataset: options.dataset },
      valOnly: true,
    },
    tokenizer: config.tokenizer,
    tokenizerJson: content.tokenizerJson,
    seqLen: model.seqLen,
    batchSize,
    seed: config.seed,
    dataDir: rootPaths(host.root).data,
    onProgress(progress) {
      const { stage, fraction } = describeProgress(progress);
      onStage(stage, fraction);
    },
    onNotice: (message) => host.warn(message),
    signal,
  });
  opened.defer(() => dataset.close());
  checkVocabulary(`evaluate "${runId}/${chosen.name}"`, { tokenizer, model });

  const { backend, ...why } = await openBackend({
    device,
    strict: strictDevice,
    threads,
  });
  opened.defer(() => backend.dispose());
  const { notes } = why, warnings = [...chosen.warnings, ...why.warnings];
  for (const warning of warnings) host.warn(warning);
  for (const note of notes) host.note(note);
  host.note(`${runId}/${chosen.name} on ${backend.device.name}`);
  const params = eachFromHuggingFace(model, content.params);
  const evaluation = await openEvaluation({
    backend,
    model,
    params,
    batchSize,
  });
  opened.defer(() => evaluation.dispose());
  onStage("evaluating", null);
  const sources = dataset.val, evalBatches = options.batches ?? 0;
  const batches = evalBatchCount({ sources, evalBatches });
  let done = 0;
  const result = await evaluation.evaluate({
    sources,
    evalBatches,
    signal,
    onBatch: () => onStage("evaluating", ++done / batches),
  });
  signal?.throwIfAborted();
  return {
    runId,
    checkpoint: chosen.name,
    dataset: options.dataset ?? "the run's validation text",
    ...{ device: formatDevice(backend.device), warnings, notes },
    ...result!,
    perplexity: Math.exp(result!.valLoss),
  };
}
