import assert from "node:assert/strict";
import type { LoadedCheckpoint } from "../../src/run/checkpoints/checkpoint_list.ts";
import type { SessionRecord } from "../../src/run/files/meta.ts";
import { plannedState } from "../../src/run/start_point.ts";
import type { SnapshotSource } from "../../src/train/snapshot.ts";
import { initialState } from "../../src/train/trainer_state.ts";

const trainer = {
  ...initialState({ totalSteps: 12, kernels: "native" }),
  ...{ step: 12, microStep: 12, tokens: 192, elapsedMs: 345.5 },
};
const checkpoint = {
  name: "step-00000012",
  content: { trainer },
} as LoadedCheckpoint<SnapshotSource>;

/** A process that began there, with another end. */
const session = (change: object, name = checkpoint.name) =>
  ({
    checkpoint: name,
    start: { ...trainer, totalSteps: 17, kernels: "wasm", ...change },
  }) as Partial<SessionRecord> as SessionRecord;

Deno.test("plannedState() goes on with what a killed process had begun", () => {
  const planned = plannedState(checkpoint, [session({ totalSteps: 99 })]);
  assert.deepEqual(planned, { ...trainer, totalSteps: 99 });
  const last = [session({ totalSteps: 99 }), session({ totalSteps: 20 })];
  assert.equal(plannedState(checkpoint, last).totalSteps, 20);
});

Deno.test("plannedState() takes no checkpoint for another of its name", () => {
  const others = [
    session({ step: 11 }),
    session({ microStep: 24 }),
    session({ tokens: 384 }),
    session({ elapsedMs: 345.6 }), // the same step in another history
    session({}, "step-00000011"),
    session({ totalSteps: "1e9" }), // of an edited meta.json
    session({ schedule: null, cursor: -1 }),
    { ...session({}), start: undefined } as unknown as SessionRecord,
  ];
  assert.equal(plannedState(checkpoint, others), trainer);
});
