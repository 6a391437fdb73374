/**
 * A training program with random parameters and tokens, ready to step.
 *
 * @module
 */

import type { Backend, Executable } from "../backend/backend.ts";
import { PhiloxStream, STREAM } from "../base/philox.ts";
import type { HearthConfig } from "../config/hearth_config.ts";
import type { Program } from "../graph/program.ts";
import type { Lora } from "../model/lora.ts";
import type { ModelConfig } from "../model/model_config.ts";
import { LOG_ROWS } from "./step_log.ts";
import { batchPositions, buildStepProgram } from "./step_program.ts";
import { trialParams } from "./trial_params.ts";

/** Small, so that nothing overflows however long the measurement goes on. */
const LR = 1e-4;

/** Enough that the wait for them is a small part, as in training. */
const QUEUED_STEPS = 16;

/** One micro-step and one update, over and over the same batch. */
export interface TrialStep<E extends Executable> {
  readonly program: Program;
  readonly executable: E;
  /** Tokens of a step. */
  readonly tokens: number;
  /** Whole steps between two looks: a device that runs behind makes many. */
  readonly steps: number;
  /** Runs these, as training does; the caller waits for it. */
  run(): Promise<void>;
}

/** Compiles and fills it; the caller disposes of the executable. */
export async function openTrialStep<E extends Executable>(
  backend: Omit<Backend, "compile"> & {
    compile(program: Program): Promise<E>;
  },
  { model, lora = null, config: { train, tune } }: {
    model: ModelConfig;
    lora?: Lora | null;
    config: Pick<HearthConfig, "train" | "tune">;
  },
): Promise<TrialStep<E>> {
  const { batchSize } = train;
  const program = buildStepProgram(model, {
    ...train,
    gradAccumSteps: 1,
    lora,
  });
  await backend.chooseKernels?.(program, { tune });
  const executable = await backend.compile(program);
  const tokens = batchSize * model.seqLen;
  for (const [name, values] of trialParams(model, lora)) {
    executable.write(name, values);
  }
  const stream = new PhiloxStream(1, STREAM.shuffle);
  const random = () =>
    Uint32Array.from(
      { length: tokens },
      () => stream.below(model.vocabSize),
    );
  const ids = random(), targets = random();
  const rng = Uint32Array.of(1, 2, 3, 4);
  const rates = [LR, 1 - train.beta1, 1 - train.beta2]; // of a first step
  const schedule = new Float32Array(3 * LOG_ROWS);
  schedule.set(rates);
  if (program.persistent.has("positions")) {
    const shape = { B: batchSize, T: model.seqLen };
    executable.write("positions", batchPositions(shape));
  }
  const write = () => {
    executable.write("ids", ids);
    executable.write("targets", targets);
    if (program.persistent.has("rng")) executable.write("rng", rng);
    executable.write("schedule", schedule);
  };
  write();
  const steps = executable.isQueued ? QUEUED_STEPS : 1;
  return {
    program,
    executable,
    tokens,
    steps,
    async run() {
      for (let step = 0; step < steps; step++) {
        write();
        await executable.run("firstMicroStep");
        await executable.run("update");
      }
      await executable.read("log"); // waits for a device that runs behind
    },
  };
}
