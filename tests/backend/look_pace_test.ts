import assert from "node:assert/strict";
import type { Executable } from "../../src/backend/backend.ts";
import { LookPace } from "../../src/backend/look_pace.ts";

/** Those of training. */
const OPTIONS = {
  name: "log",
  share: 50,
  shortestMs: 100,
  longestMs: 500,
  most: 256,
};

/** A device whose looks take `lookMs` on the clock that comes with it. */
function device(
  { isQueued, lookMs }: { isQueued?: boolean; lookMs: number },
): { executable: Executable; now: () => number; looks: () => number } {
  let time = 0, looks = 0;
  const executable = {
    isQueued,
    read() {
      looks++;
      time += lookMs;
      return Promise.resolve(new Float32Array());
    },
  } as unknown as Executable;
  return { executable, now: () => time, looks: () => looks };
}

/** What the pace is after each of some windows of pieces that take `pieceMs`. */
async function follow(
  pace: LookPace,
  windows: number,
  pieceMs: number,
): Promise<number[]> {
  const seen: number[] = [];
  for (let i = 0; i < windows; i++) {
    const { pieces } = pace;
    await pace.record(pieces, pieces * pieceMs);
    seen.push(pace.pieces);
  }
  return seen;
}

Deno.test("LookPace looks at every piece of a device that is done", async () => {
  const { executable, now, looks } = device({ lookMs: 10 });
  const pace = new LookPace(executable, { ...OPTIONS, now });
  assert.deepEqual(await follow(pace, 3, 1), [1, 1, 1]);
  assert.equal(looks(), 0);
});

Deno.test("LookPace comes to windows of a tenth of a second where looks are cheap", async () => {
  const { executable, now, looks } = device({ isQueued: true, lookMs: 0.1 });
  const pace = new LookPace(executable, { ...OPTIONS, now });
  assert.equal(pace.pieces, 1);
  assert.deepEqual(await follow(pace, 4, 3), [4, 16, 33, 33]);
  assert.equal(looks(), 1);
  // Slower pieces: at once; of more than the window: one by one.
  assert.deepEqual(await follow(pace, 2, 12), [8, 8]);
  assert.deepEqual(await follow(pace, 2, 700), [1, 1]);
});

Deno.test("LookPace makes windows 50 times as long as looks, up to half a second", async () => {
  const windowMs = async (lookMs: number) => {
    const { executable, now } = device({ isQueued: true, lookMs });
    const pace = new LookPace(executable, { ...OPTIONS, now });
    return (await follow(pace, 6, 10)).at(-1)! * 10;
  };
  assert.equal(await windowMs(5), 250);
  assert.equal(await windowMs(11), 500);
});

Deno.test("LookPace keeps to what the device can note", async () => {
  const { executable, now } = device({ isQueued: true, lookMs: 11 });
  const pace = new LookPace(executable, { ...OPTIONS, now });
  assert.equal((await follow(pace, 9, 0.1)).at(-1), OPTIONS.most);
});
