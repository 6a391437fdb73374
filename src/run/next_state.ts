/**
 * What an event changes in `state.json`. Pure but for the clock of the ETA.
 *
 * @module
 */

import type { RunState } from "./files/run_state.ts";
import { formatDevice } from "./log_line.ts";
import type { RunEvent } from "./run_event.ts";

/** `state.json` stays small in a run that warns at every step. */
const MAX_WARNINGS = 20;

/** The state after `event`. */
export function nextState(state: RunState, event: RunEvent): RunState {
  switch (event.kind) {
    case "created":
    case "closed":
      return state;
    case "opened":
      return {
        ...state,
        status: state.status === "preparing" ? "running" : state.status,
        preparing: null,
        device: formatDevice(event.device),
        requestedDevice: event.config.device,
        precision: event.device.precision ?? "fp32",
        totalSteps: event.totalSteps,
        epochs: event.epochs,
        step: event.resumedFrom?.step ?? 0,
        // The latest values may belong to steps that are trained again.
        trainLoss: null,
        valLoss: null,
        bestValLoss: event.bestValLoss,
        gradNorm: null,
        lr: null,
        tokensPerSec: null,
        lastCheckpoint: event.resumedFrom?.checkpoint ?? null,
      };
  }
  const { step, totalSteps, epoch, epochs, tokens } = event;
  const elapsedMs = Math.round(event.elapsedMs);
  const remainingMs = event.remainingMs && Math.round(event.remainingMs);
  const next = {
    ...state,
    step,
    totalSteps,
    epoch,
    epochs,
    tokens,
    elapsedMs,
    remainingMs,
    etaAt: remainingMs === null
      ? null
      : new Date(Date.now() + remainingMs).toISOString(),
  };
  switch (event.kind) {
    case "step": {
      const { trainLoss, gradNorm, lr, tokensPerSec } = event;
      return { ...next, trainLoss, gradNorm, lr, tokensPerSec };
    }
    case "eval": {
      const { valLoss, bestValLoss } = event;
      return { ...next, valLoss, bestValLoss };
    }
    case "checkpoint":
      return { ...next, lastCheckpoint: event.name };
    case "warning": {
      const warnings = state.warnings.filter((one) => one !== event.replaces);
      warnings.push(event.message);
      return { ...next, warnings: warnings.slice(-MAX_WARNINGS) };
    }
    case "start":
    case "done":
      return next;
  }
}
