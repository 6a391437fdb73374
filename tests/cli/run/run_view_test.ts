import assert from "node:assert/strict";
import { App } from "../../../src/cli/app.ts";
import type { Io } from "../../../src/cli/io.ts";
import { RunView } from "../../../src/cli/run/run_view.ts";
import {
  initialRunState,
  type RunState,
} from "../../../src/run/files/run_state.ts";
import type { FollowEvent } from "../../../src/run/watch/follow_run.ts";

Deno.test("RunView shows news of a run as soon as it is silent no more", async () => {
  let shown = "";
  const silent = Promise.withResolvers<void>();
  const sink = {
    isTty: true,
    write(text: string) {
      shown += text;
      if (text.includes("last news 1m ago")) silent.resolve();
    },
  };
  const app = new App(
    {
      stdout: sink,
      stderr: sink,
      columns: () => 80,
      env: () => undefined,
    } as Partial<Io> as Io,
  );
  const state = (step: number, ageMs: number): FollowEvent => {
    const updatedAt = new Date(Date.now() - ageMs).toISOString();
    const known: Partial<RunState> = { step, totalSteps: 9, updatedAt };
    const begun = initialRunState("owl-1", "running");
    return { kind: "state", state: { ...begun, alive: true, ...known } };
  };
  async function* events() {
    yield state(3, 60_000);
    await silent.promise;
    yield state(4, 0);
  }
  await new RunView(app, { onUnread: () => {} }).follow(events());
  assert.match(shown, /step 3\/9[^]*last news 1m ago[^]*step 4\/9/);
});
