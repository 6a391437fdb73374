import assert from "node:assert/strict";
import { warnOfHang } from "../../src/run/hang_watch.ts";

/** Things that come when they are let. */
function held() {
  const gates = Array.from(
    { length: 9 },
    () => Promise.withResolvers<void>(),
  );
  let returned = false;
  const coming = async function* () {
    try {
      for (const [i, { promise }] of gates.entries()) {
        await promise;
        yield i;
      }
    } finally {
      returned = true;
    }
  };
  return {
    let: (i: number) => gates[i].resolve(),
    coming: coming(),
    returned: () => returned,
  };
}

/** A clock that each look at moves on by so many milliseconds. */
function watched({ lastCheckpoint = null as string | null, stepMs = 10 } = {}) {
  const { coming, ...rest } = held();
  let nowMs = 0;
  const events = warnOfHang(coming, {
    runId: "owl-1",
    device: "NVIDIA A30",
    lastCheckpoint: () => lastCheckpoint,
    lookMs: 1,
    now: () => nowMs += stepMs,
  });
  return { events, ...rest };
}

const next = async (events: AsyncGenerator<number | { hang: string }>) =>
  (await events.next()).value;

Deno.test("warnOfHang() says once that nothing comes, and what can be done", async () => {
  const { events, let: letCome } = watched({
    lastCheckpoint: "step-00000200",
  });
  for (const i of [0, 1, 2]) {
    letCome(i);
    assert.equal(await next(events), i);
  }
  assert.deepEqual(await next(events), {
    hang: "Nothing has come of NVIDIA A30 for 2m 00s: it may hang; hearth " +
      "stop owl-1 --now ends the run, hearth resume owl-1 goes on from " +
      "step-00000200",
  });
  // It goes on after all, and is said again when that ends.
  const coming = next(events);
  letCome(3);
  assert.equal(await coming, 3);
  letCome(4);
  assert.equal(await next(events), 4);
  assert.match(JSON.stringify(await next(events)), /2m 00s: it may hang/);
  await events.return(letCome(5));
});

Deno.test("warnOfHang() gives what takes long its time", async () => {
  const silence = async (stepMs: number, before: number) => {
    const { events, let: letCome } = watched({ stepMs });
    for (let i = 0; i < before; i++) {
      letCome(i);
      await next(events);
    }
    const text = JSON.stringify(await next(events));
    await events.return(letCome(before));
    return /for (.*?): .*begins anew/.exec(text)![1];
  };
  assert.equal(await silence(10, 0), "10m 00s");
  assert.equal(await silence(10, 2), "10m 00s");
  assert.equal(await silence(10, 3), "2m 00s");
  assert.equal(await silence(12_000, 3), "2m 00s");
  assert.equal(await silence(60_000, 3), "10m 00s");
});

Deno.test("warnOfHang() ends with what comes, and ends it", async () => {
  const { events, let: letCome, returned } = watched();
  letCome(0);
  assert.equal(await next(events), 0);
  await events.return(undefined);
  assert.ok(returned());

  const failing = warnOfHang(
    // deno-lint-ignore require-yield
    (async function* (): AsyncGenerator<number> {
      throw new Error("device was lost");
    })(),
    { runId: "owl-1", device: "NVIDIA A30", lastCheckpoint: () => null },
  );
  await assert.rejects(failing.next(), /device was lost/);
});
