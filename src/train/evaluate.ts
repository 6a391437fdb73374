/**
 * Validation loss: the exact mean over tokens, in fixed order.
 *
 * Each source has its own mean, and all together one by their shares. The last
 * batch of a source may be padded, so batches are weighted by their valid
 * targets. Memory of an evaluation alone is parameters and activations, no
 * gradients or optimizer.
 *
 * @module
 */

import {
  type Backend,
  type Executable,
  KEPT_PLACES,
} from "../backend/backend.ts";
import { LookPace } from "../backend/look_pace.ts";
import type { ValSource } from "../data/dataset.ts";
import { IGNORED_TARGET } from "../graph/ops.ts";
import type { ModelConfig } from "../model/model_config.ts";
import type { ParamValues } from "../model/parameters.ts";
import { batchPositions, buildEvalProgram } from "./step_program.ts";

/** How long a device that runs behind may be left alone: Ctrl+C waits for it. */
const LOOKS = {
  name: "evalLoss",
  share: 50,
  shortestMs: 50,
  longestMs: 200,
  most: KEPT_PLACES,
};

/** What to evaluate on. */
export interface EvaluateOptions {
  sources: readonly ValSource[];
  /**
   * Use this many batches, spread evenly, and of each source by its share but
   * at least one; 0: all of them.
   */
  evalBatches: number;
  /** Ends the evaluation between two batches, without a result. */
  signal?: AbortSignal;
  /** Called after each batch; `evalBatchCount` tells how many there are. */
  onBatch?: () => void;
  /** A clock in milliseconds; tests bring their own. */
  now?: () => number;
}

/** Loss on a text. */
export interface Loss {
  /** Mean nats per token. */
  valLoss: number;
  /** Bits per UTF-8 byte: comparable across tokenizers. */
  valBpb: number;
  /** Targets that the mean is over. */
  tokens: number;
}

/** Loss on one of several sources. */
export interface SourceLoss extends Loss {
  /** As the user named it. */
  name: string;
}

/** The outcome of an evaluation. */
export interface EvalResult extends Loss {
  /** Each source by itself, where there is more than one. */
  sources: SourceLoss[];
}

/** How many batches an evaluation runs. */
export function evalBatchCount(
  { sources, evalBatches }: Pick<EvaluateOptions, "sources" | "evalBatches">,
): number {
  return sources.reduce(
    (sum, source) => sum + sourceBatchCount(source, evalBatches),
    0,
  );
}

function sourceBatchCount(
  { batches, share }: ValSource,
  evalBatches: number,
): number {
  const all = batches.batchesPerEpoch;
  if (evalBatches === 0) return all;
  return Math.min(all, Math.max(1, Math.round(evalBatches * share)));
}

/**
 * Runs the phase `eval` of `executable` batch by batch.
 *
 * @param executable Of a program with the inputs and outputs of
 * step_program.ts, its parameters and `positions` written.
 * @returns null if `signal` ended it.
 */
export async function evaluate(
  executable: Executable,
  options: EvaluateOptions,
): Promise<EvalResult | null> {
  const losses: SourceLoss[] = [];
  const { now = () => performance.now() } = options;
  const pace = new LookPace(executable, { ...LOOKS, now });
  let valLoss = 0, bytesPerToken = 0, tokens = 0;
  for (const source of options.sources) {
    const loss = await evaluateSource(executable, source, {
      ...options,
      pace,
      now,
    });
    if (loss === null) return null;
    losses.push({ name: source.name, ...loss });
    valLoss += source.share * loss.valLoss;
    bytesPerToken += source.share * source.bytesPerToken;
    tokens += loss.tokens;
  }
  return {
    valLoss,
    valBpb: bitsPerByte(valLoss, bytesPerToken),
    tokens,
    sources: losses.length > 1 ? losses : [],
  };
}

async function evaluateSource(
  executable: Executable,
  source: ValSource,
  { evalBatches, signal, onBatch, pace, now }: EvaluateOptions & {
    pace: LookPace;
    now: () => number;
  },
): Promise<Loss | null> {
  const { batches, bytesPerToken } = source;
  const count = sourceBatchCount(source, evalBatches);
  let sum = 0, tokens = 0; // f64: the mean adds no rounding of its own
  let valid: number[] = []; // targets of the batches that were not looked at
  let start = now();
  for (let i = 0; i < count; i++) {
    if (signal?.aborted) return null;
    const cursor = Math.floor(i * batches.batchesPerEpoch / count);
    const { ids, targets } = await batches.at(cursor);
    executable.write("ids", ids);
    executable.write("targets", targets);
    await executable.run("eval");
    executable.keep?.("evalLoss", valid.length);
    valid.push(countValid(targets));
    if (valid.length < pace.pieces && i + 1 < count) continue;
    const means = await readMeans(executable, valid.length); // waits
    means.forEach((mean, j) => {
      // A batch without targets has the mean 0 / 0, which must not spread.
      if (valid[j] > 0) sum += mean * valid[j];
      tokens += valid[j];
      onBatch?.();
    });
    await pace.record(valid.length, now() - start);
    valid = [];
    start = now();
  }
  await executable.expectSound?.();
  const valLoss = sum / tokens;
  return { valLoss, valBpb: bitsPerByte(valLoss, bytesPerToken), tokens };
}

/** Mean losses of the last `count` batches: one, if nothing is kept. */
async function readMeans(
  executable: Executable,
  count: number,
): Promise<number[]> {
  const read = executable.readKept?.(count) ?? executable.read("evalLoss");
  return [...await read];
}

function bitsPerByte(nats: number, bytesPerToken: number): number {
  return nats / Math.LN2 / bytesPerToken;
}

/** A model ready to be evaluated, and nothing more. */
export interface Evaluation {
  /** See {@linkcode evaluate}. */
  evaluate(options: EvaluateOptions): Promise<EvalResult | null>;
  /** Frees the device memory; the backend stays open. */
  dispose(): Promise<void>;
}

/**
 * Puts parameters on a device for evaluation.
 *
 * @param options.params By name and of the size that `parameters(model)` says.
 * @param options.batchSize Of the batches to come.
 * @throws {UserError} If it does not fit the device's memory.
 */
export async function openEvaluation(
  { backend, model, params, batchSize }: {
    backend: Backend;
    model: ModelConfig;
    params: ParamValues;
    batchSize: number;
  },
): Promise<Evaluation> {
  const executable = await backend.compile(
    buildEvalProgram(model, { batchSize }),
  );
  for await (const [name, data] of params) executable.write(name, data);
  const positions = batchPositions({ B: batchSize, T: model.seqLen });
  executable.write("positions", positions);
  return {
    evaluate: (options) => evaluate(executable, options),
    dispose: () => executable.dispose(),
  };
}

function countValid(targets: Uint32Array): number {
  let valid = 0;
  for (const target of targets) if (target !== IGNORED_TARGET) valid++;
  return valid;
}
