import assert from "node:assert/strict";
import { nextState } from "../../src/run/next_state.ts";
import { initialRunState } from "../../src/run/files/run_state.ts";

const START = {
  kind: "start",
  step: 0,
  totalSteps: 10,
  epoch: 0,
  epochs: 1,
  tokens: 0,
  elapsedMs: 0,
  remainingMs: 90_000.4,
} as const;

/** `nextState` of an event, at a time. */
function etaAt(time: string, remainingMs: number | null): string | null {
  const { now } = Date;
  Date.now = () => new Date(time).getTime();
  try {
    const state = initialRunState("owl-1", "running");
    return nextState(state, { ...START, remainingMs }).etaAt;
  } finally {
    Date.now = now;
  }
}

Deno.test("nextState() gives the end as a time of the clock, also when that is set", () => {
  assert.equal(
    etaAt("2026-11-20T12:00:00.000Z", 90_000.4),
    "2026-11-20T12:01:30.000Z",
  );
  // Set back by a day, the same time remains.
  assert.equal(
    etaAt("2026-11-19T12:00:00.000Z", 90_000.4),
    "2026-11-19T12:01:30.000Z",
  );
});

Deno.test("nextState() has no end while the time left is unknown", () => {
  assert.equal(etaAt("2026-11-20T12:00:00.000Z", null), null);
});
