/**
 * The training loop, top to bottom.
 *
 * It yields plain events and knows no terminal, file or process: src/run/
 * stores the events and writes the checkpoints, tests read them from an array.
 * Each decision follows from the state's counters, so a resumed run takes the
 * same ones; see cadence.ts.
 *
 * @module
 */

import { LookPace } from "../backend/look_pace.ts";
import {
  type Cadence,
  checkpointDue,
  evaluationDue,
  isPeriodic,
  stepsUntilDue,
} from "./cadence.ts";
import { evaluate } from "./evaluate.ts";
import type { TrainEvent } from "./events.ts";
import {
  explain,
  lost,
  notFinite,
  tooManySkipped,
  worseThanUntrained,
} from "./loop_errors.ts";
import {
  type FailingSaves,
  type SaveCheckpoint,
  stillFailing,
  trySave,
} from "./saving.ts";
import type { Session } from "./session.ts";
import { countStep, runSteps } from "./step.ts";
import { LOG_ROWS } from "./step_log.ts";
import { Tracker } from "./tracker.ts";
import type { TrainerState } from "./trainer_state.ts";

/** A step costs at most a fiftieth more for being looked at. */
const LOOKS = {
  name: "log",
  share: 50,
  shortestMs: 100,
  longestMs: 500,
  most: LOG_ROWS,
};

/** What surrounds a {@linkcode train} call. */
export interface TrainOptions {
  /** Finish the step, save, and end with reason `stopped`. */
  signal?: AbortSignal;
  save?: SaveCheckpoint;
  /** A clock in milliseconds; tests bring their own. */
  now?: () => number;
}

/**
 * Trains from the session's state to its `totalSteps`. The session stays open.
 *
 * @throws {UserError} If too many steps in a row were not finite, the model
 * ends with no finite loss, or the last checkpoint cannot be written.
 */
export async function* train(
  session: Session,
  { signal, save, now = () => performance.now() }: TrainOptions = {},
): AsyncGenerator<TrainEvent> {
  const { config, dataset, executable, state } = session;
  const { earlyStopPatience, evalBatches, gradAccumSteps, logEvery } =
    config.train;
  const { tokensPerBatch } = dataset.train;
  const cadence: Cadence = {
    evalEvery: config.train.evalEvery,
    checkpointEvery: config.checkpoint.every,
    saveBest: config.checkpoint.best,
  };
  const tracker = new Tracker(session, { cadence, now });
  const pace = new LookPace(executable, { ...LOOKS, now });
  const warning = (message: string, replaces?: string): TrainEvent => (
    {
      kind: "warning",
      message,
      ...replaces && { replaces },
      ...tracker.progress(),
    }
  );
  let lastSaved: string | null = null;
  /** The last one that is known to hold numbers. */
  let lastSound: string | null = null;
  const explaining = <T>(work: () => Promise<T>): Promise<T> =>
    work().catch((error) => {
      throw explain(error, { step: state.step, lastSaved });
    });
  let failing: FailingSaves | null = null;

  yield { kind: "start", ...tracker.progress() };
  for (const message of session.warnings) yield warning(message);

  for (;;) {
    // 1. Evaluate: before the first step, every evalEvery, and at the end.
    let newBest = false;
    let evaluated: number | null = null;
    if (evaluationDue(state, cadence)) {
      tracker.begin();
      const options = { sources: dataset.val, evalBatches, signal, now };
      const result = await explaining(() => evaluate(executable, options));
      if (result) { // else the signal ended it, and a resumed run makes it up
        const { valLoss, valBpb, sources } = result;
        const dtMs = tracker.end("evaluation");
        evaluated = valLoss;
        newBest = recordEvaluation(state, valLoss);
        yield {
          kind: "eval",
          valLoss,
          valBpb,
          bestValLoss: state.bestValLoss ?? valLoss,
          best: newBest,
          sources,
          dtMs,
          ...tracker.progress(),
        };
      }
    }

    // 2. Find out whether this is the end.
    const reason = reasonToEnd(state, { cadence, earlyStopPatience, signal });

    // 3. Save. An untrained model is the best so far, but not worth keeping;
    //    nor is one that is lost, which would take the place of a sound one.
    const isLost = evaluated !== null && !Number.isFinite(evaluated);
    if (isLost && (reason === "finished" || reason === "earlyStop")) {
      throw lost(state, evaluated!, lastSound);
    }
    const final = reason !== null;
    const best = newBest && cadence.saveBest && state.step > 0;
    const unsaved = state.saveStep !== state.step;
    const due = checkpointDue(state, cadence) && state.skippedInRow === 0;
    if (save && (due || best || final && unsaved)) {
      state.saveStep = state.step;
      tracker.keepCosts();
      tracker.begin();
      const periodic = isPeriodic(state, cadence);
      const saved = await trySave(session, {
        save,
        info: { step: state.step, best, periodic, final },
      });
      if ("failure" in saved) {
        // Training does not go on where the device is what failed.
        await explaining(async () => await executable.expectSound?.());
        const before: FailingSaves | null = failing;
        failing = stillFailing(before, { step: state.step, ...saved });
        yield warning(failing.message, before?.message);
      } else {
        failing = null;
        const dtMs = tracker.end("checkpoint");
        lastSaved = saved.name;
        if (evaluated !== null && !isLost) lastSound = saved.name;
        const progress = tracker.progress();
        yield { kind: "checkpoint", ...saved, best, dtMs, ...progress };
      }
    }
    if (reason) {
      const worse = worseThanUntrained(state, evaluated);
      if (worse !== null) yield warning(worse);
      const left = reason === "stopped" ? {} : { remainingMs: 0 };
      yield { kind: "done", reason, ...tracker.progress(), ...left };
      return;
    }

    // 4. Optimizer steps, as many as the device makes between two looks.
    tracker.begin();
    const count = Math.min(pace.pieces, stepsUntilDue(state, cadence));
    const results = await explaining(() =>
      runSteps(session, { count, signal })
    );
    if (results.length === 0) continue; // stopped in the middle of a step
    const times = tracker.endSteps(results.length);
    for (const result of results) {
      countStep(state, result, { gradAccumSteps, tokensPerBatch });
      tracker.countStep(times);
      yield {
        kind: "step",
        ...result,
        dtMs: times.dtMs,
        tokensPerSec: tracker.tokensPerSec(times.dtMs),
        log: state.step % logEvery === 0 || state.step === state.totalSteps,
        ...tracker.progress(),
      };
      if (!result.skipped) {
        lastSound = lastSaved; // gave this result
        continue;
      }
      yield warning(`Skipped ${notFinite(state, result)}`);
      if (state.skippedInRow >= config.train.maxSkippedSteps) {
        throw tooManySkipped(state, result, lastSound);
      }
    }
    await pace.record(results.length, times.dtMs * results.length);
  }
}

/** Notes an evaluation in the state. @returns Whether it is a new best. */
function recordEvaluation(state: TrainerState, valLoss: number): boolean {
  const best = valLoss < (state.bestValLoss ?? Infinity);
  state.evalStep = state.step;
  state.evalsSinceBest = best ? 0 : state.evalsSinceBest + 1;
  if (best) {
    state.bestValLoss = valLoss;
    state.bestStep = state.step;
  }
  return best;
}

/**
 * Why the run ends at this step, or null. One that was killed after its last
 * save comes to its end without a step.
 */
function reasonToEnd(
  state: TrainerState,
  { cadence, earlyStopPatience, signal }: {
    cadence: Cadence;
    earlyStopPatience: number;
    signal?: AbortSignal;
  },
): Extract<TrainEvent, { kind: "done" }>["reason"] | null {
  if (state.step >= state.totalSteps && !evaluationDue(state, cadence)) {
    return "finished";
  }
  const { evalsSinceBest } = state;
  if (earlyStopPatience > 0 && evalsSinceBest >= earlyStopPatience) {
    return "earlyStop";
  }
  return signal?.aborted ? "stopped" : null;
}
