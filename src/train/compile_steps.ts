/**
 * The step program on a device; where it does not fit, the batch that would.
 *
 * Parameters and optimizer take the same memory for every batch, activations
 * grow with it, so that a bisection finds the limit in a few plans.
 *
 * @module
 */

import type {
  Backend,
  ChooseKernelsOptions,
  Executable,
  KernelChoices,
} from "../backend/backend.ts";
import { UserError } from "../base/errors.ts";
import type { Program } from "../graph/program.ts";
import type { ModelConfig } from "../model/model_config.ts";
import { buildStepProgram, type StepProgramOptions } from "./step_program.ts";

/** A step program that is ready to run. */
export interface CompiledSteps {
  readonly program: Program;
  readonly executable: Executable;
  /** Null where the device had no choice. */
  readonly kernelChoices: KernelChoices | null;
}

/**
 * Chooses kernels for the step program and compiles it.
 *
 * @throws {UserError} If it does not fit; the hint has the batch size that
 * does, where the device can tell.
 */
export async function compileSteps(
  backend: Backend,
  model: ModelConfig,
  options: StepProgramOptions,
  kernels: ChooseKernelsOptions,
): Promise<CompiledSteps> {
  const program = buildStepProgram(model, options);
  const kernelChoices = await backend.chooseKernels?.(program, kernels) ?? null;
  try {
    const executable = await backend.compile(program);
    return { program, executable, kernelChoices };
  } catch (error) {
    if (!(error instanceof UserError) || !backend.fits) throw error;
    if (await backend.fits(program)) throw error; // it is not for its memory
    const fitting = await largestBatch(backend, model, options);
    const hint = fitting === null
      ? "use a smaller model or seqLen: not even a batch of one sequence fits"
      : `type --batch-size ${fitting}, which fits, and raise ` +
        `--grad-accum-steps to see as many tokens per step`;
    throw new UserError(error.message, { hint, cause: error });
  }
}

/** The most sequences below `batchSize` that fit, or null if none does. */
async function largestBatch(
  backend: Backend,
  model: ModelConfig,
  options: StepProgramOptions,
): Promise<number | null> {
  let fits = 0, tooMany = options.batchSize;
  while (tooMany - fits > 1) {
    const batchSize = Math.floor((fits + tooMany) / 2);
    const program = buildStepProgram(model, { ...options, batchSize });
    if (await backend.fits!(program)) fits = batchSize;
    else tooMany = batchSize;
  }
  return fits > 0 ? fits : null;
}
