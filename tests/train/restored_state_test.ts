import assert from "node:assert/strict";
import type { TrainSection } from "../../src/config/hearth_config.ts";
import { restoreState } from "../../src/train/restored_state.ts";
import type { TrainerState } from "../../src/train/trainer_state.ts";
import { initialState } from "../../src/train/trainer_state.ts";
import { fc } from "../_property.ts";
import { tinyConfig } from "./_helpers.ts";

/** In batches of 8, 12 per epoch. */
const WINDOWS = 96;

function settings(more: Partial<TrainSection> = {}): TrainSection {
  const base = { batchSize: 8, gradAccumSteps: 2, ...more };
  return tinyConfig({ train: base }).train;
}

/** Two epochs of 6 steps, after step 8, in the second epoch. */
function saved(more: Partial<TrainerState> = {}): TrainerState {
  return {
    ...initialState({
      totalSteps: 12,
      kernels: "k",
      batchSize: 8,
      gradAccumSteps: 2,
    }),
    step: 8,
    microStep: 16,
    cursor: 16,
    tokens: 16 * 8 * 6,
    ...more,
  };
}

function restore(
  trainer: TrainerState,
  { train = settings(), ...plan }:
    & Parameters<typeof restoreState>[1]["plan"]
    & {
      train?: TrainSection;
    } = {},
) {
  const batchesPerEpoch = WINDOWS / train.batchSize;
  const batches = { windows: WINDOWS, batchesPerEpoch };
  const before = settings();
  return restoreState(trainer, {
    train,
    batches,
    plan: { before, ...plan },
  });
}

Deno.test("restoreState() changes nothing when nothing has changed", () => {
  const trainer = saved();
  const { state, notes } = restore(trainer);
  assert.deepEqual(state, trainer);
  assert.notEqual(state, trainer);
  assert.deepEqual(notes, []);
});

Deno.test("restoreState() adds epochs and steps to where the run stands", () => {
  const total = (more: { epochs: number } | { steps: number }) =>
    restore(saved(), { more }).state.totalSteps;
  assert.equal(total({ steps: 5 }), 13);
  assert.equal(total({ steps: 1 }), 9); // shorter than it was to be
  assert.equal(total({ epochs: 2 }), 8 + 12);
  assert.equal(total({ epochs: 0.5 }), 8 + 3);
  assert.equal(total({ epochs: 0.001 }), 8 + 1);
});

Deno.test("restoreState() says where a run that was not over was to end", () => {
  assert.deepEqual(restore(saved(), { more: { steps: 5 } }).notes, [
    "The run was to end at step 12; the steps that were left do not count " +
    "extra",
  ]);
});

Deno.test("restoreState() refuses a number of steps that cannot be counted", () => {
  for (const more of [{ epochs: 1e300 }, { steps: 0.5 }]) {
    assert.throws(() => restore(saved(), { more }), { exitCode: 2 });
  }
});

Deno.test("restoreState() gives a run that is extended its patience back", () => {
  const trainer = saved({ evalsSinceBest: 3 });
  assert.equal(restore(trainer).state.evalsSinceBest, 3);
  const more = { steps: 1 };
  assert.equal(restore(trainer, { more }).state.evalsSinceBest, 0);
});

Deno.test("restoreState() keeps the curve when the end stays where it is", () => {
  assert.equal(restore(saved(), { more: { steps: 4 } }).state.lrCurve, null);
  assert.deepEqual(
    restore(saved(), { more: { steps: 5 } }).state.lrCurve?.policy,
    "continue",
  );
});

Deno.test("restoreState() says that a schedule is over", () => {
  const over = { step: 12, microStep: 24, cursor: 24 };
  const more = { epochs: 1 };
  assert.deepEqual(restore(saved(over), { more }).notes, [
    "The schedule was over, so the learning rate stays at 1.0e-3; " +
    "--lr-policy rewarm raises it again",
  ]);
  const lrPolicy = "rewarm";
  assert.deepEqual(restore(saved(over), { more, lrPolicy }).notes, []);
  // Who goes on with steps that were added before has been told.
  const lrCurve = {
    ...{ policy: "continue" as const, warmup: null, hold: null },
    decay: { from: 6, done: 1 },
  };
  assert.deepEqual(restore(saved({ lrCurve })).notes, []);
});

const REGROUPED: [
  what: string,
  batchSize: number,
  cursorBefore: number,
  cursor: number,
  note: string | null,
][] = [
  [
    "on a boundary", // 4 batches of 8 are 8 of 4
    4,
    12 + 4,
    24 + 8,
    "In batches of 4, the epoch goes on after 32 of 96 windows",
  ],
  [
    "between two", // 32 windows are 2 batches of 12, and 8 windows
    12,
    12 + 4,
    8 + 2,
    "In batches of 12, the epoch goes on after 24 of 96 windows; " +
    "8 windows come a second time",
  ],
  [
    "where a batch ends an epoch and begins one", // 98 windows are 14 of 7
    7,
    12 + 1,
    14, // 104 windows, 6 of them of the batch that begins after 98
    "In batches of 7, the epoch goes on after 2 of 96 windows; " +
    "6 windows come a second time",
  ],
  [
    "one window late", // 9 windows are a batch of 8, and 1 window
    5,
    12 + 2, // 112 windows are 22 batches of 5, and 2 windows
    22,
    "In batches of 5, the epoch goes on after 14 of 96 windows; " +
    "2 windows come a second time",
  ],
  [
    "at the beginning of an epoch",
    32,
    12,
    3,
    null,
  ],
];

for (const [what, batchSize, before, cursor, note] of REGROUPED) {
  Deno.test(`restoreState() finds the place in batches of another size when it is ${what}`, () => {
    const train = settings({ batchSize });
    const trainer = saved({ cursor: before });
    const { state, notes } = restore(trainer, { train });
    assert.equal(state.cursor, cursor);
    assert.equal(notes.find((one) => one.startsWith("In ")) ?? null, note);
    assert.equal(state.batchSize, batchSize);
    assert.equal(state.microStep, trainer.microStep);
    assert.equal(state.tokens, trainer.tokens);
  });
}

Deno.test("restoreState() trains on the same data with another batch size", () => {
  // 4 of 6 steps of an epoch are left: 2/3 of 24 batches, 2 per step.
  const smaller = settings({ batchSize: 4 });
  const { state, notes } = restore(saved(), { train: smaller });
  assert.equal(state.totalSteps, 8 + 8);
  assert.equal(
    notes[1],
    "8 steps are left in place of 4, to train on the same data",
  );
  const more = settings({ gradAccumSteps: 1 });
  assert.equal(restore(saved(), { train: more }).state.totalSteps, 8 + 8);
});

Deno.test("restoreState() keeps the number of steps when that was configured", () => {
  const train = settings({ batchSize: 4, steps: 12 });
  const { state } = restore(saved(), {
    train,
    before: settings({ steps: 12 }),
  });
  assert.equal(state.totalSteps, 12);
  assert.equal(state.lrCurve, null);
});

Deno.test("restoreState() lets a rate that is held follow a new lr", () => {
  const held = restore(saved(), { more: { steps: 9 }, lrPolicy: "constant" });
  const { lrCurve } = held.state;
  assert.ok(lrCurve!.hold! > 1e-3);
  const train = settings({ lr: 3e-4 });
  const { state } = restore(held.state, { train });
  assert.deepEqual(state.lrCurve, { ...lrCurve, hold: 3e-4 });
});

Deno.test("restoreState() says when a rate that is held ignores a new schedule", () => {
  const lrPolicy = "constant";
  const held = restore(saved(), { more: { steps: 9 }, lrPolicy }).state;
  const train = settings({ schedule: "linear" });
  const note = "The learning rate is held by --lr-policy constant, whatever " +
    "the schedule; --more-steps N --lr-policy rewarm ends that";
  assert.deepEqual(restore(held, { train }).notes, [note]);
  assert.deepEqual(
    restore(held, { train, more: { steps: 9 } }).notes.at(-1),
    note,
  );
  assert.deepEqual(restore(held, { train: settings({ lr: 1 }) }).notes, []);
  const rewarm = { train, more: { steps: 9 }, lrPolicy: "rewarm" } as const;
  assert.ok(!restore(held, rewarm).notes.includes(note));
});

Deno.test("restoreState() reads a state that is older than its newest fields", () => {
  const { batchSize: _b, gradAccumSteps: _g, lrCurve: _l, ...old } = saved();
  assert.deepEqual(restore(old as TrainerState).state, saved());
});

Deno.test("restoreState() trains on every window of an epoch, on few twice", () => {
  const count = fc.integer({ min: 1, max: 12 });
  const property = fc.property(
    fc.record({
      windows: fc.integer({ min: 12, max: 80 }),
      old: count,
      batchSize: count,
      place: fc.nat(10_000),
    }),
    ({ windows, old, batchSize, place }) => {
      const trainer = saved({
        batchSize: old,
        cursor: place % Math.floor(3 * windows / old),
      });
      const { state, notes } = restoreState(trainer, {
        train: settings({ batchSize }),
        batches: { windows, batchesPerEpoch: windows / batchSize },
        plan: { before: settings({ batchSize: old }) },
      });

      // How often each window of three epochs is in a batch, before and after.
      const times = Array<number>(3 * windows).fill(0);
      const read = (from: number, to: number) => {
        for (let i = from; i < Math.min(to, times.length); i++) times[i]++;
      };
      read(0, trainer.cursor * old);
      read(state.cursor * batchSize, Infinity);

      assert.ok(times.every((n) => n === 1 || n === 2));
      const twice = times.filter((n) => n === 2).length;
      assert.ok(twice < batchSize);
      if (trainer.cursor * old % windows === 0) return; // then nothing is said
      const said = /(\d+) windows? come/.exec(notes[0] ?? "")?.[1] ?? 0;
      assert.equal(Number(said), twice);
    },
  );
  fc.assert(property, { seed: 1 });
});
