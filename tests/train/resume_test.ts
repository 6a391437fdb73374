import assert from "node:assert/strict";
import type { ConfigInput } from "../../src/config/schema.ts";
import type { TrainEvent } from "../../src/train/events.ts";
import { train } from "../../src/train/loop.ts";
import type { Session, Snapshot } from "../../src/train/session.ts";
import { collect, openTestSession, tinyConfig } from "./_helpers.ts";

/** Everything that draws random numbers or carries state is on. */
const CONFIG: ConfigInput = {
  model: { dropout: 0.2 },
  train: { steps: 6, gradAccumSteps: 2, evalEvery: 2 },
  checkpoint: { every: 3, best: true },
};

for (const arch of ["gpt2", "llama"] as const) {
  const config = tinyConfig({ ...CONFIG, model: { ...CONFIG.model, arch } });

  Deno.test(`train() twice with one seed gives the same bits (${arch})`, async () => {
    const first = await openTestSession({ config });
    const second = await openTestSession({ config });
    assert.deepEqual(
      (await collect(first)).filter(isResult).map(result),
      (await collect(second)).filter(isResult).map(result),
    );
    await assertSameTensors(first, await second.snapshot());
  });

  Deno.test(`train() resumed at step 3 of 6 equals the uninterrupted run (${arch})`, async () => {
    const whole = await openTestSession({ config });
    const events = (await collect(whole)).filter(isResult).map(result);

    const start = await openTestSession({ config });
    const halves = await runUntil(start, ({ step }) => step === 3);
    const restore = structuredClone(await start.snapshot());
    await start.dispose();
    const end = await openTestSession({ config, restore });
    halves.push(...await collect(end));

    assert.deepEqual(halves.filter(isResult).map(result), events);
    await assertSameTensors(end, await whole.snapshot());
  });
}

Deno.test("train() stopped at any event and resumed repeats and loses nothing", async () => {
  const config = tinyConfig(CONFIG);
  const whole = await openTestSession({ config });
  const wholeEvents = await collect(whole, { save });
  const expected = wholeEvents.filter(isResult).map(result);

  for (let stopAt = 0; stopAt < wholeEvents.length; stopAt++) {
    let restore: Snapshot | undefined;
    const start = await openTestSession({ config });
    const stop = new AbortController();
    const events: TrainEvent[] = [];
    const options = {
      signal: stop.signal,
      save: async () => {
        restore = structuredClone(await start.snapshot());
        return await save();
      },
    };
    for await (const event of train(start, options)) {
      if (events.push(event) === stopAt + 1) stop.abort();
    }
    const end = await openTestSession({ config, restore });
    events.push(...await collect(end, { save }));

    assert.deepEqual(
      events.filter(isResult).map(result),
      expected,
      `stopped at event ${stopAt}`,
    );
    await assertSameTensors(end, await whole.snapshot());
  }
});

Deno.test("train() stopped between micro-steps drops that step, and resumes", async () => {
  const config = tinyConfig(CONFIG);
  const whole = await openTestSession({ config });
  const expected = (await collect(whole)).filter(isResult).map(result);

  // Stop while the first of the two batches of the third step is read.
  const stop = new AbortController();
  const start = await openTestSession({ config });
  const { train: batches } = start.dataset;
  const at = batches.at.bind(batches);
  batches.at = (cursor) => {
    if (cursor === 4) stop.abort();
    return at(cursor);
  };
  const events = await collect(start, { signal: stop.signal });
  assert.deepEqual(
    [start.state.step, start.state.cursor, start.state.microStep],
    [2, 4, 4],
  );
  assert.equal(events.at(-1)?.kind, "done");

  const restore = structuredClone(await start.snapshot());
  const end = await openTestSession({ config, restore });
  events.push(...await collect(end));
  assert.deepEqual(events.filter(isResult).map(result), expected);
  await assertSameTensors(end, await whole.snapshot());
});

Deno.test("train() gives other numbers with another seed", async () => {
  const losses = [];
  for (const seed of [1, 2]) {
    const session = await openTestSession({
      config: tinyConfig({ ...CONFIG, seed }),
    });
    losses.push((await collect(session)).filter(isResult).map(result));
  }
  assert.notDeepEqual(losses[0], losses[1]);
});

type Result = Extract<TrainEvent, { kind: "step" | "eval" }>;

function isResult(event: TrainEvent): event is Result {
  return event.kind === "step" || event.kind === "eval";
}

/** All of an event but what depends on the clock. */
function result(event: Result) {
  const { elapsedMs: _, remainingMs: _r, dtMs: _d, ...rest } = event;
  if ("tokensPerSec" in rest) rest.tokensPerSec = 0;
  return rest;
}

function save() {
  return Promise.resolve({ name: "step", sizeBytes: 0 });
}

/** Events up to the first that `isLast`; the rest is as if killed. */
async function runUntil(
  session: Session,
  isLast: (event: TrainEvent) => boolean,
): Promise<TrainEvent[]> {
  const events: TrainEvent[] = [];
  for await (const event of train(session)) {
    events.push(event);
    if (isLast(event)) break;
  }
  return events;
}

async function assertSameTensors(
  session: Session,
  expected: Snapshot,
): Promise<void> {
  const snapshot = await session.snapshot();
  assert.deepEqual(snapshot.params, expected.params);
  assert.deepEqual(snapshot.optimizer, expected.optimizer);
  const { step, microStep, cursor, tokens } = snapshot.trainer;
  const { trainer } = expected;
  assert.deepEqual(
    [step, microStep, cursor, tokens],
    [trainer.step, trainer.microStep, trainer.cursor, trainer.tokens],
  );
}
