/**
 * Optimizer steps on the device.
 *
 * @module
 */

import { seedKey } from "../base/philox.ts";
import { usesDropout } from "../model/lora.ts";
import type { Session } from "./session.ts";
import { readLog, stepRates, type StepResult } from "./step_log.ts";
import type { TrainerState } from "./trainer_state.ts";

/**
 * Runs the next `count` steps of `session` and looks at them once, when all
 * of them have been given to the device. Its state stays as it was; see
 * {@linkcode countStep}.
 *
 * @param count At most LOG_ROWS.
 * @returns Fewer if `signal` was aborted on the way, none if that was before
 * the last micro-step of the first: a step of many micro-steps can take
 * minutes, so it is given up, and a resumed run repeats it.
 */
export async function runSteps(
  session: Session,
  { count, signal }: { count: number; signal?: AbortSignal },
): Promise<StepResult[]> {
  const { config: { train }, executable, feed, state } = session;
  executable.write("schedule", stepRates(train, state, count));
  let done = 0;
  while (done < count && !(done > 0 && signal?.aborted)) {
    if (!await runStep(session, { index: done, signal })) break;
    done++;
  }
  if (done === 0) return [];
  const log = await feed.settle(done, () => executable.read("log"));
  await executable.expectSound?.();
  return readLog(log, { train, state, count: done });
}

/** Gives one step to the device. @returns Whether it got all of it. */
async function runStep(
  session: Session,
  { index, signal }: { index: number; signal?: AbortSignal },
): Promise<boolean> {
  const { config, model, executable, feed, state } = session;
  const { gradAccumSteps } = config.train;
  executable.write("slot", Uint32Array.of(index)); // goes with the batch
  // 1. Loss and gradients, summed on the device over the micro-steps.
  for (let i = 0; i < gradAccumSteps; i++) {
    if (i > 0 && signal?.aborted) return false;
    const ahead = index * gradAccumSteps + i;
    const cursor = state.cursor + ahead;
    const { ids, targets } = await feed.take(cursor);
    executable.write("ids", ids);
    executable.write("targets", targets);
    if (usesDropout(model, session.lora)) {
      // Split like a seed: low, high.
      const counter = seedKey(state.microStep + ahead);
      executable.write(
        "rng",
        Uint32Array.of(...seedKey(config.seed), ...counter),
      );
    }
    const running = executable.run(
      i === 0 ? "firstMicroStep" : "nextMicroStep",
    );
    await Promise.all([running, feed.makeAhead(cursor + 1)]);
  }
  // 2. The update, unless the device finds that the norm is not finite.
  await executable.run("update");
  return true;
}

/** Moves the state on by one step, when its result is known. */
export function countStep(
  state: TrainerState,
  { skipped }: StepResult,
  { gradAccumSteps, tokensPerBatch }: {
    gradAccumSteps: number;
    tokensPerBatch: number;
  },
): void {
  state.step++;
  state.microStep += gradAccumSteps;
  state.cursor += gradAccumSteps;
  state.tokens += gradAccumSteps * tokensPerBatch;
  state.skippedInRow = skipped ? state.skippedInRow + 1 : 0;
  if (skipped) state.skippedTotal++;
}
