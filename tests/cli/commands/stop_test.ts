import assert from "node:assert/strict";
import { run } from "../_fake_io.ts";
import { Workspace } from "../_workspace.ts";

/** A run that only a request stops; its end is awaited at the end. */
const ENDLESS = [
  ...["--steps", "100000000", "--log-every", "1", "--eval-every", "0"],
  ...["--checkpoint-every", "0"],
];

/** Trains, and calls `during` at the first line of a step. */
async function trainAndStop(
  workspace: Workspace,
  during: () => Promise<void>,
) {
  let trains = false;
  let work: Promise<void> | undefined;
  const outcome = await workspace.train(ENDLESS, {
    onStderr(text) {
      if (trains || !text.startsWith("step ")) return;
      trains = true;
      work = during();
    },
  });
  await work;
  return outcome;
}

Deno.test("hearth stop ends a run in the foreground, which says why", async () => {
  await using workspace = await Workspace.create();
  const { code, out, err } = await trainAndStop(workspace, async () => {
    const stopped = await workspace.run(["stop", "latest"]);
    assert.equal(stopped.code, 0);
    assert.match(
      stopped.out,
      /^owl-1 has ended: stopped at step [\d,]+ of 100,000,000, checkpoint step-\d{8}\n$/,
    );
    assert.equal(stopped.err, "");
  });
  assert.equal(code, 3);
  assert.match(err, /^stopping and saving \(asked by hearth stop\)$/m);
  assert.match(out, /^run {9}owl-1, stopped at step /);
});

Deno.test("hearth stop says what a run does that is not running", async () => {
  await using workspace = await Workspace.create();
  const none = await workspace.run(["stop"]);
  assert.equal(none.code, 2);
  assert.match(none.err, /^error: There are no runs in "ROOT\/runs"\n/);
  await workspace.train(["--steps", "3"]);
  for (const argv of [["stop"], ["stop", "owl", "--now"]]) {
    assert.deepEqual(await workspace.run(argv), {
      code: 0,
      out: "owl-1 is not running: completed at step 3 of 3, checkpoint " +
        "step-00000003\n",
      err: "",
    });
  }
  const { out } = await workspace.run(["stop", "owl-1", "--json"]);
  assert.equal(JSON.parse(out).status, "completed");
});

Deno.test("Ctrl+C at hearth stop ends the waiting, not the request", async () => {
  await using workspace = await Workspace.create();
  const { code } = await trainAndStop(workspace, async () => {
    let pressed = false;
    const stopped = await run(["--root", workspace.root, "stop"], {
      tty: true,
      onStderr(text, press) {
        if (pressed || !text.includes("stopping owl-1")) return;
        pressed = true;
        press();
      },
    });
    assert.equal(stopped.code, 130);
    assert.match(stopped.err, /owl-1 was asked to stop, and will\n$/);
  });
  assert.equal(code, 3);
});
