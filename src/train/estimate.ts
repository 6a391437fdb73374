/**
 * What a run will take, before anything is opened.
 *
 * @module
 */

import type { Executable } from "../backend/backend.ts";
import { openBackend } from "../backend/devices/open_backend.ts";
import type {
  HearthConfig,
  TokenizerSection,
} from "../config/hearth_config.ts";
import { aboutTextBytes } from "../data/sources/text_size.ts";
import { programMemory } from "../graph/program_memory.ts";
import { resolveLora } from "../model/lora.ts";
import { resolveModel } from "../model/model_config.ts";
import {
  flopsPerToken,
  parameterCount,
  trainableCount,
} from "../model/model_size.ts";
import { loadTokenizer, readTokenizerJson } from "../tokenizer/mod.ts";
import { AUTO_TOKENS, autoBatch, stepWork } from "./device_fit.ts";
import type { OpenSessionOptions } from "./open_session.ts";
import { tensorBytes } from "./snapshot.ts";
import { buildStepProgram } from "./step_program.ts";
import { openTrialStep, type TrialStep } from "./trial_step.ts";

/** What can be told without trying. */
export interface RunEstimate {
  parameterCount: number;
  /** Those that training changes: of the adapters, if there are some. */
  trainableCount: number;
  /** Parameters, optimizer and activations; null for a batch of auto. */
  memoryBytes: number | null;
  /** Of one checkpoint: what is trained, and the two moments of AdamW. */
  checkpointBytes: number;
  /** What all checkpoints that are kept take at most. */
  diskBytes: number;
  /** Null for a batch of auto. */
  tokensPerStep: number | null;
  /** Roughly, unless the steps are given; null where only the data tells. */
  totalSteps: number | null;
}

/** How fast it is. */
export interface TrialResult {
  /** Of one optimizer step. */
  stepMs: number;
  tokensPerSec: number;
  /** Such as `cpu: AMD EPYC`. */
  device: string;
  /** Why it is not the device that was asked for. */
  warnings: readonly string[];
  /** How it was decided on. */
  notes: readonly string[];
}

/** Vocabulary of `byte`, and more than most texts have characters. */
const BYTES = 256;
/** The trial takes about as long, after a first step that does not count. */
const TRIAL_MS = 1200;

/**
 * Estimates a run.
 *
 * @throws {UserError} For settings that do not go together, and for sources
 * or a tokenizer that are not there.
 */
export async function estimateRun(
  config: HearthConfig,
): Promise<RunEstimate> {
  const { model, train, lora: section, checkpoint } = config;
  const vocabSize = await aboutVocabulary(config.tokenizer);
  const resolved = resolveModel(model, vocabSize);
  const lora = resolveLora(section, resolved);
  const trainable = trainableCount(resolved, lora);
  const checkpointBytes = tensorBytes(trainable);
  const { batchSize, gradAccumSteps, steps } = train;
  const tokensPerStep = batchSize === 0
    ? null
    : batchSize * gradAccumSteps * model.seqLen;
  const tokens = await aboutTrainTokens(config, vocabSize);
  const kept = checkpoint.keep + (checkpoint.best ? 1 : 0);
  let totalSteps = steps ?? null;
  if (steps === undefined && tokensPerStep !== null && tokens !== null) {
    const epochs = train.epochs ?? 1;
    totalSteps = Math.max(1, Math.floor(epochs * tokens / tokensPerStep));
  }
  const saves = totalSteps === null || checkpoint.every === 0
    ? 1
    : Math.ceil(totalSteps / checkpoint.every);
  return {
    parameterCount: parameterCount(resolved),
    trainableCount: trainable,
    memoryBytes: batchSize === 0
      ? null
      : programMemory(buildStepProgram(resolved, { ...train, lora })).total,
    checkpointBytes,
    diskBytes: checkpointBytes * Math.min(kept, saves),
    tokensPerStep,
    totalSteps,
  };
}

/**
 * Trains some steps on made-up tokens, on the device of the configuration.
 *
 * @param options.freeGpuMemory As for `openSession`.
 * @throws {UserError} If there is no such device, or too little memory.
 */
export async function tryRun(
  config: HearthConfig,
  { freeGpuMemory, ...timing }:
    & Parameters<typeof timeTrial>[1]
    & Pick<OpenSessionOptions, "freeGpuMemory">,
): Promise<TrialResult> {
  const { device, threads, gemm, precision, strictDevice: strict } = config;
  const vocabSize = await aboutVocabulary(config.tokenizer);
  const model = resolveModel(config.model, vocabSize);
  const { backend, warnings, notes } = await openBackend({
    ...{ device, threads, gemm, precision, strict },
    work: stepWork(config),
  });
  try {
    let { batchSize } = config.train;
    if (batchSize === 0) {
      const memoryBytes = backend.limits?.programBytes ??
        await freeGpuMemory?.(backend.device) ?? null;
      const tokens = await aboutTrainTokens(config, vocabSize) ?? Infinity;
      const windows = tokens / model.seqLen;
      const known = { backend, memoryBytes, vocabSize, windows };
      batchSize = autoBatch(config, known).batchSize;
    }
    const train = { ...config.train, batchSize };
    const { tune } = config;
    const trial = await openTrialStep(backend, {
      model,
      lora: resolveLora(config.lora, model),
      config: { train, tune },
    });
    try {
      const microStepMs = await timeTrial(trial, timing);
      const { id, name } = backend.device;
      return {
        stepMs: microStepMs * train.gradAccumSteps,
        tokensPerSec: trial.tokens / microStepMs * 1000,
        device: `${id}: ${name}`,
        ...{ warnings, notes },
      };
    } finally {
      await trial.executable.dispose();
    }
  } finally {
    await backend.dispose();
  }
}

/**
 * Milliseconds of one step of a trial.
 *
 * @param options.now A clock in milliseconds, for tests.
 */
export async function timeTrial(
  { run, steps }: Pick<TrialStep<Executable>, "run" | "steps">,
  { signal, now = () => performance.now() }: {
    signal: AbortSignal;
    now?: () => number;
  },
): Promise<number> {
  await run(); // the first one makes everything ready
  const startMs = now();
  let passedMs = 0, runs = 0;
  while (passedMs < TRIAL_MS && !signal.aborted) {
    await run();
    runs++;
    passedMs = now() - startMs;
  }
  signal.throwIfAborted();
  return passedMs / (runs * steps);
}

async function aboutVocabulary(
  { type, vocabSize, path }: TokenizerSection,
): Promise<number> {
  if (type === "bpe") return vocabSize;
  if (type !== "file") return BYTES;
  const { vocabSize: size } = await loadTokenizer(
    await readTokenizerJson(path),
  );
  return size;
}

/** Of one epoch; null where only the data tells. */
async function aboutTrainTokens(
  { tokenizer, data }: HearthConfig,
  vocabSize: number,
): Promise<number | null> {
  const textBytes = await aboutTextBytes(data.dataset);
  return textBytes === null ? null : textBytes * (1 - data.valFraction) /
    aboutBytesPerToken(tokenizer.type, vocabSize);
}

/**
 * Measured on the built-in stories: 3.2 for 1024 ids, 3.9 for 2048; a word of
 * English is five letters and a space.
 */
function aboutBytesPerToken(
  type: TokenizerSection["type"],
  vocabSize: number,
): number {
  if (type === "byte" || type === "char") return 1;
  return Math.max(1, Math.log2(vocabSize) / 2.85);
}

/** Operations that even one core does in a second or two. */
const QUICK_OPERATIONS = 3e10;

/** Whether {@linkcode tryRun} takes no longer than a person likes to wait. */
export function isQuickToTry(
  { model, tokenizer, train }: HearthConfig,
): boolean {
  const { type, vocabSize } = tokenizer;
  const resolved = resolveModel(model, type === "bpe" ? vocabSize : BYTES);
  const tokens = train.batchSize * model.seqLen || AUTO_TOKENS;
  return tokens * flopsPerToken(resolved) < QUICK_OPERATIONS;
}
