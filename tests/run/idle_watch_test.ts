import assert from "node:assert/strict";
import { IdleWatch, type StepLook } from "../../src/run/idle_watch.ts";

/** A step, or what else takes time. */
interface Moment extends Partial<StepLook> {
  /** How long it takes; default: a second. */
  ms?: number;
  /** It is no step. */
  rest?: boolean;
}

/** One after the other, so many; the hints that come of it, and when. */
function watch(
  count: number,
  moment: (i: number) => Moment,
): [second: number, hint: string][] {
  const watch = new IdleWatch();
  const hints: [number, string][] = [];
  let atMs = 5000;
  for (let i = 0; i < count; i++) {
    const { ms = 1000, rest = false, ...look } = moment(i);
    atMs += ms;
    if (rest) {
      watch.rest(atMs);
      continue;
    }
    const step = { atMs, waitedMs: 0, gpuUtilPct: null, ...look };
    const hint = watch.look(step);
    if (hint !== null) hints.push([(atMs - 5000) / 1000, hint]);
  }
  return hints;
}

const IDLE = /^The GPU was busy \d+ % of the last minute/;
const WAITS = /^Training waited for data \d+ % of the last minute/;

Deno.test("IdleWatch says once that the GPU is idle", () => {
  // The first three seconds aside, 30 times 80 and 29 times 3.
  const hints = watch(300, (i) => ({ gpuUtilPct: i % 2 ? 80 : 3 }));
  assert.deepEqual(hints, [[
    62, // the first step and the longest do not count
    "The GPU was busy 42 % of the last minute: a larger --batch-size may " +
    "train faster, see docs/tuning.md",
  ]]);
});

Deno.test("IdleWatch weighs long steps by their length", () => {
  // One look in ten is at a step ten times as long, with the GPU busy: 67 %.
  const hints = watch(
    300,
    (i) => i % 10 === 0 ? { gpuUtilPct: 100, ms: 10_000 } : { gpuUtilPct: 30 },
  );
  assert.deepEqual(hints, []);
});

Deno.test("IdleWatch says that training waits for data", () => {
  const hints = watch(100, () => ({ waitedMs: 150 }));
  assert.deepEqual(hints, [[
    62,
    "Training waited for data 15 % of the last minute: raise " +
    "--prefetch-batches, or keep the data on a faster disk",
  ]]);
});

Deno.test("IdleWatch counts steps that are known of at once", () => {
  // Ten by ten; what they waited for comes with the first of them.
  const hints = watch(
    1000,
    (i) => i % 10 === 0 ? { waitedMs: 150 } : { ms: 0 },
  );
  assert.equal(hints.length, 1);
  assert.match(hints[0][1], /^Training waited for data 15 %/);
});

Deno.test("IdleWatch notices what begins later", () => {
  const hints = watch(200, (i) => ({ gpuUtilPct: i < 61 ? 95 : 10 }));
  assert.deepEqual(hints.map(([second]) => second), [123]);
});

/** What is no reason to say anything, for 600 looks. */
const SILENT: Record<string, (i: number) => Moment> = {
  "a busy GPU": () => ({ gpuUtilPct: 61 }),
  "a GPU that tells nothing": () => ({}),
  "a little waiting": () => ({ waitedMs: 90 }),
  "waiting while the GPU is busy": () => ({ waitedMs: 500, gpuUtilPct: 95 }),
  // As above: by far most of what is known is the one look.
  "a GPU that tells seldom": (i) => ({ gpuUtilPct: i % 3 ? null : 5 }),
  // After each, the figures are of it for three seconds.
  "a GPU that is idle in evaluations": (i) =>
    i % 8 === 0 ? { rest: true, ms: 5000 } : { gpuUtilPct: i % 8 < 4 ? 2 : 96 },
  "evaluations every other second": (i) =>
    i % 3 === 0 ? { rest: true, ms: 30_000 } : { gpuUtilPct: 4 },
  "a GPU that is idle in many short saves": (i) =>
    i % 2 === 0 ? { rest: true, ms: 200 } : { gpuUtilPct: 55 },
  "a process that was stopped while it waited": (i) =>
    i === 30 ? { ms: 600_000, waitedMs: 599_000 } : {},
  "a process that was stopped while the GPU worked": (i) =>
    i === 30
      ? { ms: 600_000, gpuUtilPct: 0 }
      : { gpuUtilPct: i > 30 && i < 34 ? 0 : 95 },
  "a first step that takes long": (i) =>
    i === 0 ? { ms: 120_000, waitedMs: 60_000, gpuUtilPct: 0 } : {},
};

for (const [what, moment] of Object.entries(SILENT)) {
  Deno.test(`IdleWatch is silent about ${what}`, () => {
    assert.deepEqual(watch(600, moment), []);
  });
}

Deno.test("IdleWatch sees what is idle between evaluations", () => {
  const between = (look: Moment) => (i: number) =>
    i % 20 === 0 ? { rest: true, ms: 20_000 } : look;
  assert.match(watch(600, between({ gpuUtilPct: 20 }))[0][1], IDLE);
  assert.match(watch(600, between({ waitedMs: 200 }))[0][1], WAITS);
  // Saves that hardly count, twice a second.
  const saving = (i: number) =>
    i % 2 === 0 ? { rest: true, ms: 20 } : { ms: 480, gpuUtilPct: 3 };
  assert.match(watch(600, saving)[0][1], IDLE);
});
