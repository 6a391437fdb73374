import assert from "node:assert/strict";
import type { LrPolicy } from "../../src/train/lr_policies.ts";
import { moveEnd } from "../../src/train/move_end.ts";
import { learningRate, type LrSchedule } from "../../src/train/schedule.ts";

type Kind = LrSchedule["schedule"];

/** Warm-up to 1 over 4 steps, then down to 0.1 at step 24. */
function scheduleOf(schedule: Kind, more: Partial<LrSchedule> = {}) {
  return {
    lr: 1,
    minLr: 0.1,
    warmupSteps: 4,
    totalSteps: 24,
    decayFraction: 0.5,
    schedule,
    curve: null,
    ...more,
  } satisfies LrSchedule;
}

/** The schedule after `resume --more-steps` at `step`. */
function extended(
  before: LrSchedule,
  { step, more, policy = "continue", settings = {}, warmupGiven }: {
    step: number;
    more: number;
    policy?: LrPolicy;
    settings?: Partial<LrSchedule>;
    warmupGiven?: boolean;
  },
): LrSchedule {
  const after = { ...before, ...settings, totalSteps: step + more };
  const curve = moveEnd(step, { before, after, policy, warmupGiven });
  return { ...after, curve };
}

function assertRates(schedule: LrSchedule, points: [number, number][]) {
  for (const [step, expected] of points) {
    const lr = learningRate(step, schedule);
    assert.ok(
      Math.abs(lr - expected) < 1e-12,
      `step ${step}: ${lr}, expected ${expected}`,
    );
  }
}

for (const kind of ["cosine", "linear", "wsd"] as const) {
  Deno.test(`moveEnd() leaves a ${kind} that is over at minLr when it continues`, () => {
    const longer = extended(scheduleOf(kind), { step: 24, more: 10 });
    for (const step of [24, 25, 33, 34, 99]) {
      assert.equal(learningRate(step, longer), 0.1);
    }
  });
}

Deno.test("moveEnd() leaves a constant rate alone when it continues", () => {
  const longer = extended(scheduleOf("constant"), { step: 24, more: 10 });
  assertRates(longer, [[24, 1], [33, 1]]);
});

Deno.test("moveEnd() stretches what is left of a cosine", () => {
  // A quarter is done at step 9; the other three now take 30 steps, not 15.
  const longer = extended(scheduleOf("cosine"), { step: 9, more: 30 });
  assertRates(longer, [
    [9, 0.8681980515339464], // 0.1 + 0.5 * (1 + cos(pi/4)) * 0.9, as before
    [19, 0.55], // half of it is done
    [29, 0.2318019484660536], // 0.1 + 0.5 * (1 + cos(3 pi/4)) * 0.9
    [39, 0.1],
  ]);
});

Deno.test("moveEnd() shortens what is left of a linear decay", () => {
  const shorter = extended(scheduleOf("linear"), { step: 9, more: 5 });
  assertRates(shorter, [[9, 0.775], [10, 0.64], [13, 0.235], [14, 0.1]]);
});

Deno.test("moveEnd() lets the warm-up end before it stretches anything", () => {
  const longer = extended(scheduleOf("cosine"), { step: 2, more: 42 });
  assertRates(longer, [[2, 0.6], [3, 0.8], [4, 1], [24, 0.55], [44, 0.1]]);
});

Deno.test("moveEnd() keeps the stable part of wsd until the decay before the new end", () => {
  // The decay, half of 44 steps, now begins at 22 in place of 12.
  const longer = extended(scheduleOf("wsd"), { step: 10, more: 34 });
  assertRates(longer, [[10, 1], [22, 1], [33, 0.55], [44, 0.1]]);
  // Half of 30 would have begun at 15, which is past.
  const late = extended(longer, { step: 20, more: 10 });
  assertRates(late, [[20, 1], [25, 0.55], [30, 0.1]]);
});

Deno.test("moveEnd() stretches a wsd decay that has begun", () => {
  const longer = extended(scheduleOf("wsd"), { step: 18, more: 20 });
  assertRates(longer, [[18, 0.55], [28, 0.325], [38, 0.1]]);
});

Deno.test("moveEnd() warms up again from the present rate, then decays", () => {
  const policy: LrPolicy = "rewarm";
  // Two of the 24 additional steps are the warm-up, a tenth rounded down.
  const longer = extended(scheduleOf("cosine"), { step: 24, more: 24, policy });
  assertRates(longer, [
    [24, 0.4], // 0.1 + 0.9 / 3
    [25, 0.7],
    [26, 1],
    [37, 0.55],
    [48, 0.1],
  ]);
  const wsd = extended(scheduleOf("wsd"), { step: 24, more: 24, policy });
  assertRates(wsd, [[25, 0.7], [26, 1], [36, 1], [42, 0.55], [48, 0.1]]);
});

Deno.test("moveEnd() takes no more warm-up than configured, but what is asked for", () => {
  const policy: LrPolicy = "rewarm";
  const start = scheduleOf("linear");
  const long = extended(start, { step: 24, more: 400, policy });
  assert.equal(long.curve?.warmup?.steps, 4);
  const short = extended(start, { step: 24, more: 3, policy });
  assert.equal(short.curve?.warmup?.steps, 1);
  const settings = { warmupSteps: 9 };
  const asked = { step: 24, more: 18, policy, settings, warmupGiven: true };
  assertRates(extended(start, asked), [[24, 0.19], [33, 1], [42, 0.1]]);
});

Deno.test("moveEnd() rewarms from the rate that was, to the lr that is new", () => {
  const settings = { lr: 0.5, minLr: 0.05 };
  const policy: LrPolicy = "rewarm";
  const start = scheduleOf("cosine");
  const longer = extended(start, { step: 24, more: 24, policy, settings });
  assertRates(longer, [[24, 0.1 + 0.4 / 3], [26, 0.5], [48, 0.05]]);
});

Deno.test("moveEnd() holds the present rate, or the lr that is given with it", () => {
  const policy: LrPolicy = "constant";
  const start = scheduleOf("linear");
  const held = extended(start, { step: 14, more: 30, policy });
  assertRates(held, [[14, 0.55], [30, 0.55], [43, 0.55]]);
  const settings = { lr: 0.3 };
  const given = extended(start, { step: 14, more: 30, policy, settings });
  assertRates(given, [[14, 0.3], [43, 0.3]]);
});

Deno.test("moveEnd() decays from a constant rate when the schedule changes", () => {
  const settings = { schedule: "linear" as const };
  const start = scheduleOf("constant");
  const longer = extended(start, { step: 24, more: 10, settings });
  assertRates(longer, [[24, 1], [29, 0.55], [34, 0.1]]);
});

for (const kind of ["cosine", "linear", "wsd", "constant"] as const) {
  Deno.test(`moveEnd() never lets a ${kind} jump, however often the end moves`, () => {
    let schedule: LrSchedule = scheduleOf(kind);
    let step = 0;
    const policies = ["continue", "constant", "rewarm", "continue"] as const;
    for (let i = 0; i < 40; i++) {
      step += 1 + (i * 7) % 13;
      const more = 5 + (i * 11) % 40;
      const policy = policies[i % policies.length];
      const next = extended(schedule, { step, more, policy });
      // The first step of a warm-up is above the rate it starts from.
      const from = policy === "rewarm"
        ? next.curve!.warmup!.fromLr
        : learningRate(step, next);
      const was = learningRate(step, schedule);
      assert.ok(Math.abs(from - was) < 1e-9, `${policy}: ${was} to ${from}`);
      schedule = next;
    }
  });
}
