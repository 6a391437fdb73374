/**
 * Where a resumed run stands and where it goes: the state of its checkpoint,
 * carried over to the settings and the end of now. Pure.
 *
 * With the same settings and nothing added, the state comes out as it went in.
 *
 * @module
 */

import { EXIT, UserError } from "../base/errors.ts";
import { formatCount } from "../base/format.ts";
import type { TrainSection } from "../config/hearth_config.ts";
import type { Batches } from "../data/dataset.ts";
import type { LrPolicy } from "./lr_policies.ts";
import { followLr, moveEnd } from "./move_end.ts";
import { learningRate, lrSchedule } from "./schedule.ts";
import { initialState, type TrainerState } from "./trainer_state.ts";

/** How a resumed run differs from one that just goes on. */
export interface ResumePlan {
  /** Train this much beyond the checkpoint, and no further. */
  more?: { epochs: number } | { steps: number };
  /** What `more` does to the learning rate; default `continue`. */
  lrPolicy?: LrPolicy;
  /** The settings so far, if others hold from now on. */
  before?: TrainSection;
  /** The person asked for `warmupSteps` just now: rewarm for that many. */
  warmupGiven?: boolean;
}

/** What {@linkcode restoreState} needs to know besides the checkpoint. */
export interface RestoreOptions {
  /** The settings from now on. */
  train: TrainSection;
  /** The training data in batches of now. */
  batches: Pick<Batches, "windows" | "batchesPerEpoch">;
  plan?: ResumePlan;
}

/**
 * The state to go on from.
 *
 * @param saved That of the checkpoint; not changed.
 * @returns Also what the person should know, one sentence each.
 * @throws {UserError} If there are to be more steps than can be counted.
 */
export function restoreState(
  saved: TrainerState,
  { train, batches, plan = {} }: RestoreOptions,
): { state: TrainerState; notes: string[] } {
  const settings = plan.before ?? train;
  const state = { ...initialState({ ...saved, ...settings }), ...saved };
  const before = lrSchedule(settings, state);
  const { step, totalSteps } = state;
  const notes: string[] = [];

  // 1. The position in the data.
  const epochsLeft = (totalSteps - step) * state.gradAccumSteps /
    batchesPerEpoch(state, batches);
  const isRegrouped = train.batchSize !== state.batchSize;
  const isRecounted = isRegrouped ||
    train.gradAccumSteps !== state.gradAccumSteps;
  if (isRegrouped) notes.push(...regroup(state, { train, batches }));
  state.batchSize = train.batchSize;
  state.gradAccumSteps = train.gradAccumSteps;

  // 2. The end. Without a wish, the run covers the data it would have covered.
  const stepsPerEpoch = batches.batchesPerEpoch / train.gradAccumSteps;
  const inSteps = (epochs: number) =>
    Math.max(1, Math.round(epochs * stepsPerEpoch));
  if (plan.more) {
    state.totalSteps = step +
      ("steps" in plan.more ? plan.more.steps : inSteps(plan.more.epochs));
    state.evalsSinceBest = 0; // or early stopping would end it at once
    if (!Number.isSafeInteger(state.totalSteps)) throw tooMany(plan.more);
    if (totalSteps > step) {
      notes.push(
        `The run was to end at step ${formatCount(totalSteps)}; the steps ` +
          "that were left do not count extra",
      );
    }
  } else if (isRecounted && train.steps === undefined && totalSteps > step) {
    state.totalSteps = step + inSteps(epochsLeft);
    notes.push(
      `${formatCount(state.totalSteps - step)} steps are left in place of ` +
        `${formatCount(totalSteps - step)}, to train on the same data`,
    );
  }

  // 3. The learning rate.
  const after = lrSchedule(train, state);
  const policy = plan.lrPolicy ?? "continue";
  const isMoved = state.totalSteps !== totalSteps || policy !== "continue";
  if (isMoved) {
    const { warmupGiven } = plan;
    state.lrCurve = moveEnd(step, { before, after, policy, warmupGiven });
  } else if (state.lrCurve) {
    state.lrCurve = followLr(state.lrCurve, { before, after });
  }
  if (plan.more && policy === "continue" && isOver(state, train)) {
    const rate = learningRate(step, lrSchedule(train, state));
    notes.push(
      "The schedule was over, so the learning rate stays at " +
        `${rate.toExponential(1)}; --lr-policy rewarm raises it again`,
    );
  }
  if (isHeld(state) && changesShape(settings, train)) {
    notes.push(
      "The learning rate is held by --lr-policy constant, whatever the " +
        "schedule; --more-steps N --lr-policy rewarm ends that",
    );
  }
  return { state, notes };
}

/**
 * Moves the cursor to batches of another size. The windows keep their order,
 * so the first batch of the new size is the one that holds the first window
 * not seen yet.
 *
 * @returns What to say about it; nothing where an epoch begins anyway.
 */
function regroup(
  state: TrainerState,
  { train: { batchSize }, batches }: Pick<RestoreOptions, "train" | "batches">,
): string[] {
  const seen = state.cursor * state.batchSize;
  state.cursor = Math.floor(seen / batchSize);
  if (seen % batches.windows === 0) return [];
  const begin = state.cursor * batchSize, again = seen - begin;
  const windows = (count: number) =>
    count === 1 ? "1 window" : `${formatCount(count)} windows`;
  const twice = again > 0
    ? `; ${windows(again)} ${again === 1 ? "comes" : "come"} a second time`
    : "";
  return [
    `In batches of ${batchSize}, the epoch goes on after ` +
    `${formatCount(begin % batches.windows)} of ${windows(batches.windows)}` +
    twice,
  ];
}

/** Batches of the size that the state counts in, with fraction. */
function batchesPerEpoch(
  { batchSize }: TrainerState,
  { windows }: RestoreOptions["batches"],
): number {
  return windows / batchSize;
}

function tooMany(more: NonNullable<ResumePlan["more"]>): UserError {
  const [[unit, count]] = Object.entries(more);
  return new UserError(
    `Cannot train ${count} more ${unit}: expected a number of steps that can ` +
      "be counted",
    { hint: "for example --more-epochs 1", exitCode: EXIT.usage },
  );
}

/** The rate has nowhere to go. */
function isOver({ lrCurve }: TrainerState, train: TrainSection): boolean {
  return train.schedule !== "constant" && lrCurve?.decay?.done === 1;
}

function isHeld({ lrCurve }: TrainerState): boolean {
  return typeof lrCurve?.hold === "number";
}

/** Other settings of the schedule than its highest rate. */
function changesShape(before: TrainSection, after: TrainSection): boolean {
  const keys = ["schedule", "minLr", "warmupSteps", "decayFraction"] as const;
  return keys.some((key) => before[key] !== after[key]);
}
