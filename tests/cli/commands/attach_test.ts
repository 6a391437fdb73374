import assert from "node:assert/strict";
import { metricLine } from "../../../src/run/files/metrics.ts";
import { FakeRun, stepMetric } from "../../run/_fake_run.ts";
import { runBeside, type Script } from "../_beside.ts";
import { shown } from "../_screen.ts";
import { Workspace } from "../_workspace.ts";

const RUNNING = {
  step: 5,
  totalSteps: 10,
  trainLoss: 2.5,
  valLoss: 2.75,
  bestValLoss: 2.75,
  tokensPerSec: 1234,
  elapsedMs: 60_000,
  remainingMs: 60_000,
};
const LOG = `\
run     owl-1 in runs/owl-1
step  4/10 | loss 2.6
`;
const MORE = `\
step  5/10 | loss 2.5
eval  5/10 | val loss 2.75
warning: it is late\x1b[2J
`;

/**
 * Trains from step 5 to its end, which is of the given status, once the text
 * of step 10 has been seen.
 */
const trains = (
  status: "completed" | "stopped" | "failed",
  { start = "attached to owl-1", seen = "it is late" } = {},
) => ({
  before: async (run: FakeRun) => {
    await run.append("log", LOG);
    await run.append("metrics", metricLine(stepMetric(4)));
    await run.set(RUNNING);
  },
  script: (run: FakeRun): Script => {
    const train = async () => {
      await run.append("log", MORE);
      await run.append("metrics", metricLine(stepMetric(5)));
      await run.set({ step: 10, trainLoss: 2.25 });
    };
    let trained: Promise<void>;
    return [[start, () => trained = train()], [seen, async () => {
      await trained;
      if (status === "failed") {
        await run.append("log", "error: no luck\n");
        await run.set({ error: "no luck" });
      }
      await run.set({ lastCheckpoint: "step-00000010" });
      await run.end(status);
    }]];
  },
});

const OUTCOME = `\
run         owl-1, completed at step 10/10 after 1m 00s
loss        train 2.2500, val 2.7500 (best 2.7500)
checkpoint  step-00000010
`;
const NEXT = `
Next:
  hearth generate owl-1 --prompt "Once upon a time"
  hearth status owl-1
`;

Deno.test("hearth attach prints the lines that a run prints, and its outcome", async () => {
  const { code, out, err } = await runBeside(["attach"], trains("completed"));
  assert.deepEqual([code, out], [0, OUTCOME]);
  assert.equal(
    err.replace(/process \d+/, "process N"),
    "attached to owl-1 in process N; Ctrl+C detaches, the run goes on\n" +
      LOG + MORE.replace("\x1b", "\ufffd") + NEXT,
  );
});

Deno.test("hearth attach shows the bar in a terminal in place of steps", async () => {
  const settings = {
    ...trains("completed", { start: "  50 %  ", seen: " 100 % " }),
    tty: true,
  };
  const { code, out, err } = await runBeside(["attach"], settings);
  assert.equal(code, 0);
  assert.equal(out, OUTCOME);
  assert.match(
    err,
    /\[█+▌ +\] +50 % {2}step {2}5\/10 {2}loss 2\.5000 {2}1,234 tok\/s {2}ETA 1m/,
  );
  assert.match(err, /\[█+\] +100 % {2}step 10\/10 {2}loss 2\.2500/);
  assert.deepEqual(
    shown(err).slice(1).join("\n") + "\n",
    (LOG + MORE).replaceAll(/^step .*\n/gm, "").replace("\x1b", "\ufffd") +
      NEXT,
  );
});

Deno.test("hearth attach exits with what the run came to", async () => {
  const stopped = await runBeside(["attach"], trains("stopped"));
  assert.equal(stopped.code, 3);
  assert.match(stopped.out, /^run +owl-1, stopped at step 10\/10 /);
  assert.match(stopped.err, /\nNext:\n {2}hearth resume owl-1\n/);

  const failed = await runBeside(["attach"], trains("failed"));
  assert.equal(failed.code, 1);
  assert.match(failed.out, /^run +owl-1, failed at step 10\/10 /);
  assert.equal(failed.err.match(/error: /g)?.length, 1);
  assert.ok(failed.err.endsWith(
    "\nerror: no luck\nhint: hearth logs owl-1 shows what came before\n",
  ));
});

Deno.test("hearth attach --json prints new metrics and the last state", async () => {
  const settings = trains("completed", {
    start: '"status":"running"',
    seen: '"kind":"step"',
  });
  const { code, out, err } = await runBeside(["attach", "--json"], settings);
  assert.deepEqual([code, err], [0, ""]);
  const [first, row, last, ...rest] = out.trimEnd().split("\n")
    .map((line) => JSON.parse(line));
  assert.deepEqual([first.step, last.step, last.status, rest], [
    5,
    10,
    "completed",
    [],
  ]);
  assert.deepEqual(row, stepMetric(5));
});

Deno.test("hearth attach detaches at Ctrl+C and says what to do next", async () => {
  const { code, out, err } = await runBeside(["attach", "owl"], {
    before: (run) => run.set(RUNNING),
    script: (run) => [
      ["attached", (press) => press()],
      ["detached", () => run.end("completed")], // so it was alive until now
    ],
  });
  assert.deepEqual([code, out], [0, ""]);
  assert.equal(
    err.slice(err.indexOf("\n") + 1),
    `\
detached; owl-1 goes on

Next:
  hearth status owl-1
  hearth attach owl-1
  hearth stop owl-1
`,
  );
});

Deno.test("hearth attach shows what is being prepared", async () => {
  const preparing = { stage: "tokenizing", fraction: 0.5 };
  const { err } = await runBeside(["attach"], {
    tty: true,
    before: (run) => run.set({ status: "preparing", preparing }),
    script: (run) => [
      [
        "50 %  tokenizing",
        () => run.set({ status: "running", preparing: null, ...RUNNING }),
      ],
      ["step  5/10", () => run.set({ status: "stopping" })],
      ["stopping and saving\n", () => run.end("stopped")],
    ],
  });
  assert.ok(!shown(err).join().includes("tokenizing"));
});

Deno.test("hearth attach says that a run is silent", async () => {
  const updatedAt = new Date(Date.now() - 60_000).toISOString();
  const { code } = await runBeside(["attach"], {
    tty: true,
    columns: 30,
    before: (run) => run.set({ ...RUNNING, updatedAt }),
    script: (run) => [
      ["\x1b[Klast news 1m ago; is the proc", () => run.end("completed")],
    ],
  });
  assert.equal(code, 0);
});

Deno.test("hearth attach tells how a run has ended before", async () => {
  await using workspace = await Workspace.create();
  await using run = new FakeRun(workspace.root);
  await run.begin();
  await run.append("log", LOG);
  await run.set({ ...RUNNING });
  await run.die(); // killed
  const { code, out, err } = await workspace.run(["attach"]);
  assert.equal(code, 3);
  assert.match(out, /^run +owl-1, interrupted at step 5\/10 after 1m 00s\n/);
  assert.equal(err, "\nNext:\n  hearth resume owl-1\n  hearth status owl-1\n");
});

Deno.test("hearth attach fails for a run whose state is damaged", async () => {
  await using workspace = await Workspace.create();
  await using run = new FakeRun(workspace.root);
  await run.begin();
  await run.die();
  await Deno.writeTextFile(run.paths.state, "{");
  const { code, out, err } = await workspace.run(["attach"]);
  assert.deepEqual([code, out], [1, ""]);
  assert.match(
    err,
    /^error: Cannot read .+state\.json": it is not JSON\nhint: hearth resume /,
  );
});

Deno.test("hearth attach says that the run was removed", async () => {
  const { code, err } = await runBeside(["attach"], {
    script: (run) => [["attached", async () => {
      await run.die();
      await Deno.remove(run.paths.dir, { recursive: true });
    }]],
  });
  assert.equal(code, 1);
  assert.ok(err.endsWith(
    '\nerror: Cannot go on: the run "owl-1" was removed\n' +
      "hint: hearth runs lists the others\n",
  ));
});
