/**
 * What becomes of the learning rate when the end of a run is moved. Pure.
 *
 * Three policies, none of which jumps:
 *
 * - `continue`: what is left of the curve is stretched or shortened to the new
 *   end. A warm-up goes on as it is, and so does the stable part of `wsd`, to
 *   the decay before the new end. A decay that is over stays at `minLr`.
 * - `rewarm`: up from the present rate to `lr` as in a warm-up, then the
 *   schedule once more, over the additional steps. Ibrahim et al. 2024,
 *   https://arxiv.org/abs/2403.08763.
 * - `constant`: the present rate to the end.
 *
 * @module
 */

import type { LrPolicy } from "./lr_policies.ts";
import {
  decayDone,
  decayStart,
  learningRate,
  type LrCurve,
  type LrSchedule,
} from "./schedule.ts";

/** The warm-up of `rewarm` if none is asked for: a tenth of what is added. */
const REWARM_SHARE = 0.1;

/**
 * The curve of a run that goes on at `step` with its end moved.
 *
 * @param moved.before The schedule so far.
 * @param moved.after Its settings and its end from now on.
 * @param moved.warmupGiven Rewarm for `warmupSteps`, however many they are.
 */
export function moveEnd(
  step: number,
  { before, after, policy, warmupGiven = false }: {
    before: LrSchedule;
    after: LrSchedule;
    policy: LrPolicy;
    warmupGiven?: boolean;
  },
): LrCurve {
  switch (policy) {
    case "constant": {
      const hold = learningRate(step, before);
      const held = { policy, warmup: null, decay: null, hold };
      return followLr(held, { before, after });
    }
    case "rewarm": {
      const added = after.totalSteps - step;
      const share = Math.max(1, Math.floor(added * REWARM_SHARE));
      const steps = warmupGiven
        ? after.warmupSteps
        : Math.min(after.warmupSteps, share);
      const fromLr = learningRate(step, before);
      const warmup = { from: step, fromLr, steps };
      return { policy, warmup, decay: null, hold: null };
    }
    case "continue": {
      const { warmup = null, hold = null } = before.curve ?? {};
      const decay = continuedDecay(step, { before, after });
      const continued = { policy, warmup, decay, hold };
      return followLr(continued, { before, after });
    }
  }
}

/** The curve after a change of settings: a rate that is held follows `lr`. */
export function followLr(
  curve: LrCurve,
  { before, after }: { before: LrSchedule; after: LrSchedule },
): LrCurve {
  const follows = curve.hold !== null && after.lr !== before.lr;
  return follows ? { ...curve, hold: after.lr } : curve;
}

/** Null where the decay is still ahead, at its usual place. */
function continuedDecay(
  step: number,
  { before, after }: { before: LrSchedule; after: LrSchedule },
): LrCurve["decay"] {
  const done = decayDone(step, before);
  if (done > 0) return { from: step, done };
  const curve = before.curve ? { ...before.curve, decay: null } : null;
  const isAhead = decayStart({ ...after, curve }) >= step;
  return isAhead ? null : { from: step, done };
}
