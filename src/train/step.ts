/**
 * One optimizer step on the device.
 *
 * @module
 */

import { seedKey } from "../base/philox.ts";
import { learningRate, lrSchedule } from "./schedule.ts";
import type { Session } from "./session.ts";

/** What came out of a step. */
export interface StepResult {
  /** Mean nats per token of the step's batches, before the update. */
  trainLoss: number;
  /** Global norm of the gradients before clipping. */
  gradNorm: number;
  lr: number;
  /** The device left the parameters alone, because the norm is not finite. */
  skipped: boolean;
}

/**
 * Runs the next step of `session` and moves its state on.
 *
 * @returns null if `signal` was aborted before the last micro-step: nothing
 * was updated, and the state is as before, so that a resumed run repeats the
 * step. A step of many micro-steps can take minutes.
 */
export async function runStep(
  session: Session,
  signal?: AbortSignal,
): Promise<StepResult | null> {
  const { config, model, dataset, executable, feed, state } = session;
  const { gradAccumSteps, beta1, beta2 } = config.train;
  const { cursor, microStep, tokens } = state;

  // 1. Loss and gradients, summed on the device over the micro-steps.
  for (let i = 0; i < gradAccumSteps; i++) {
    if (i > 0 && signal?.aborted) {
      Object.assign(state, { cursor, microStep, tokens });
      return null;
    }
    const batch = await feed.take(state.cursor++);
    executable.write("ids", batch.inputs);
    executable.write("targets", batch.targets);
    if (model.dropout > 0) {
      const counter = seedKey(state.microStep); // split like a seed: low, high
      executable.write(
        "rng",
        Uint32Array.of(...seedKey(config.seed), ...counter),
      );
    }
    const running = executable.run(
      i === 0 ? "firstMicroStep" : "nextMicroStep",
    );
    await Promise.all([running, feed.makeAhead(state.cursor)]);
    state.microStep++;
    state.tokens += dataset.train.tokensPerBatch;
  }

  // 2. The update. AdamW's t counts the updates that were made, from 1.
  const lr = learningRate(state.step, lrSchedule(config.train, state));
  const t = state.step + 1 - state.skippedTotal;
  executable.write(
    "hyper",
    Float32Array.of(lr, 1 - beta1 ** t, 1 - beta2 ** t),
  );
  await executable.run("update");
  state.step++;

  // 3. The only look at the device in a step: it waits for all of the above.
  const outputs = await executable.readAll(["loss", "gradNorm", "scale"]);
  const [trainLoss, gradNorm, scale] = outputs.map(([value]) => value);
  const skipped = scale === 0;
  state.skippedInRow = skipped ? state.skippedInRow + 1 : 0;
  if (skipped) state.skippedTotal++;
  return { trainLoss, gradNorm, lr, skipped };
}
