import assert from "node:assert/strict";
import { replaceFile } from "../../../src/base/atomic_file.ts";
import { FakeRun } from "../../run/_fake_run.ts";
import { runBeside as watch } from "../_beside.ts";
import { shown } from "../_screen.ts";
import { Workspace } from "../_workspace.ts";

Deno.test("hearth status --watch prints a line per change", async () => {
  const { code, out, err } = await watch(["status", "--watch"], {
    script: (run) => [
      ["running, process", () => run.set({ status: "stopping", step: 3 })],
      ["stopping | step 3", () => run.end("stopped")],
    ],
  });
  assert.deepEqual([code, err], [0, ""]);
  assert.equal(
    out.replace(/process \d+/, "process N"),
    `\
running, process N
stopping | step 3/n/a | loss n/a | val loss n/a | n/a tok/s | eta n/a
stopped | step 3/n/a | loss n/a | val loss n/a
`,
  );
});

Deno.test("hearth status --watch redraws in a terminal", async () => {
  const { code, out } = await watch(["status", "--watch"], {
    tty: true,
    columns: 30,
    script: (run) => [
      ["running", () => run.set({ step: 3, error: "x".repeat(50) })],
      ["step 3", () => run.end("failed")],
    ],
  });
  assert.equal(code, 0);
  assert.deepEqual(shown(out).filter((line) => /^(s|p|e)/.test(line)), [
    "status      failed",
    "progress    step 3 of n/a, ep",
    "speed       n/a tok/s, n/a to",
    "error       xxxxxxxxxxxxxxxxx",
  ]);
  assert.ok(out.split("\n").every((line) => line.length < 50), out);
});

Deno.test("hearth status --watch stays within a low terminal", async () => {
  const { out } = await watch(["status", "--watch"], {
    tty: true,
    rows: 4,
    script: (run) => [["running", () => run.end("completed")]],
  });
  const lines = shown(out);
  assert.deepEqual([lines.length, lines[1]], [3, "status      completed"]);
});

Deno.test("hearth status --watch --json prints a state per line", async () => {
  const { code, out } = await watch(["status", "--watch", "--json"], {
    script: (run) => [["running", () => run.end("completed")]],
  });
  assert.equal(code, 0);
  assert.deepEqual(
    out.trimEnd().split("\n").map((line) => JSON.parse(line).status),
    ["running", "completed"],
  );
});

Deno.test("hearth status --watch ends at Ctrl+C", async () => {
  const { code } = await watch(["status", "--watch"], {
    script: () => [["running", (press) => press()]],
  });
  assert.equal(code, 0);
});

Deno.test("hearth status --watch says that the run was removed", async () => {
  const { code, err } = await watch(["status", "--watch"], {
    script: (run) => [["running", async () => {
      await run.die();
      await Deno.remove(run.paths.dir, { recursive: true });
    }]],
  });
  assert.deepEqual([code, err], [
    1,
    'error: Cannot go on: the run "owl-1" was removed\n' +
    "hint: hearth runs lists the others\n",
  ]);
});

Deno.test("hearth status --watch tells of a damaged state", async () => {
  const { code, out, err } = await watch(["status", "--watch"], {
    script: (run) => [
      ["running", () => replaceFile(run.paths.state, "{}")],
      ['state.json": "runId": ', () => run.end("completed")],
    ],
  });
  assert.deepEqual([code, out.split("\n").at(-2)], [0, "completed"]);
  assert.match(
    err,
    /^warning: Cannot read "ROOT.+state\.json": "runId": .+\n$/,
  );
});

Deno.test("hearth status fails for a run whose state is damaged", async () => {
  await using workspace = await Workspace.create();
  await using run = new FakeRun(workspace.root);
  await run.begin();
  await run.die();
  await Deno.writeTextFile(run.paths.state, "{");
  for (const argv of [["status", "--watch"], ["status", "--json"]]) {
    const { code, out, err } = await workspace.run(argv);
    assert.deepEqual([code, out], [1, ""]);
    assert.ok(err.includes('state.json": it is not JSON\n'), err);
    assert.match(err, /\nhint: hearth resume owl-1 goes on from its /);
  }
});
