import assert from "node:assert/strict";
import { join } from "node:path";
import { UserError } from "../../../src/base/errors.ts";
import { run } from "../_fake_io.ts";
import { TINY, withoutTimes, Workspace } from "../_workspace.ts";

const STEPS = ["--steps", "4", "--log-every", "2", "--eval-every", "2"];

/** The events that `--json` printed. */
function events(out: string): Record<string, unknown>[] {
  return out.trimEnd().split("\n").map((line) => JSON.parse(line));
}

/** The state of the run `owl-1`. */
async function state(workspace: Workspace) {
  const path = workspace.path(join("runs", "owl-1", "state.json"));
  return JSON.parse(await Deno.readTextFile(path));
}

Deno.test("hearth train prints aligned lines, a summary and what to do next", async () => {
  await using workspace = await Workspace.create();
  const { code, out, err } = await workspace.train(STEPS);
  assert.equal(code, 0, err);
  assert.equal(
    withoutTimes(err),
    `\
reading data
tokenizing
preparing model
run     owl-1 in ROOT/runs/owl-1
device  cpu: CPU, 1 thread, fp32
model   gpt2, 3.0k parameters (nLayer 1, nHead 2, nEmbd 8, seqLen 8)
memory  # kB to train, # kB on disk per checkpoint
data    ROOT/text.txt: 4,761 tokens to train on, 530 to validate on
plan    4 steps of 16 tokens = 0.01 epochs
eval 0/4 | val loss 5.5461 | 8.0165 bits/byte | best so far
step 2/4 | loss 5.5213 | norm 1.39 | lr 6.7e-4 | # tok/s | eta #
eval 2/4 | val loss 5.5378 | 8.0045 bits/byte | best so far
save 2/4 | step-00000002 | # kB | best so far
step 4/4 | loss 5.5363 | norm 1.42 | lr 5.5e-4 | # tok/s | eta #
eval 4/4 | val loss 5.5237 | 7.9841 bits/byte | best so far
save 4/4 | step-00000004 | # kB | best so far
done 4/4 | finished | 64 tokens in #

Next:
  hearth generate owl-1 --prompt "Once upon a time"
  hearth status owl-1
`,
  );
  assert.equal(
    withoutTimes(out),
    `\
run         owl-1, completed at step 4/4 after #
loss        train 5.5363, val 5.5237 (best 5.5237)
checkpoint  step-00000004
`,
  );
});

Deno.test("hearth train --json prints one event per line and nothing else", async () => {
  await using workspace = await Workspace.create();
  const { code, out, err } = await workspace.train([...STEPS, "--json"]);
  assert.deepEqual([code, err], [0, ""]);
  assert.deepEqual(
    events(out).map(({ kind, step }) => `${kind} ${step ?? ""}`.trim()),
    [
      "created",
      "opened",
      "start 0",
      "eval 0",
      "step 2",
      "eval 2",
      "checkpoint 2",
      "step 4",
      "eval 4",
      "checkpoint 4",
      "done 4",
      "closed",
    ],
  );
});

Deno.test("hearth train fails when it ends with a model of no use", async () => {
  await using workspace = await Workspace.create();
  const { code, out, err } = await workspace.train(
    ["--steps", "2", "--lr", "1e30", "--eval-every", "0"],
  );
  assert.deepEqual([code, out], [1, ""]);
  assert.match(
    err,
    /^error: Stopped at step 2: the validation loss is NaN, so the model is of no use$/m,
  );
  assert.match(
    err,
    /^hint: .*train again with a smaller lr, or a longer warmupSteps/m,
  );
  const { status, error } = await state(workspace);
  assert.equal(status, "failed");
  assert.match(error, /the validation loss is NaN/);
  assert.deepEqual(
    await Array.fromAsync(Deno.readDir(workspace.path("checkpoints/owl-1")))
      .catch(() => []),
    [],
  );
});

Deno.test("hearth train --quiet prints the run id alone", async () => {
  await using workspace = await Workspace.create();
  const { code, out, err } = await workspace.train([...STEPS, "--quiet"]);
  assert.deepEqual([code, out, err], [0, "owl-1\n", ""]);
});

Deno.test("hearth train in a terminal shows a bar that it takes away again", async () => {
  await using workspace = await Workspace.create();
  const { code, out, err } = await workspace.train(STEPS, { tty: true });
  assert.equal(code, 0);
  const rewritten = err.split("\r\x1b[K");
  assert.ok(
    rewritten.some((text) =>
      /^\[█.*\] +25 % {2}step 1\/4 {2}loss 5/.test(text)
    ),
  );
  // What a terminal shows at the end: text after the last clearing of a line.
  const shown = (out + err).split("\n").map((line) =>
    line.slice(line.lastIndexOf("\x1b[K") + (line.includes("\x1b[K") ? 3 : 0))
  );
  assert.ok(shown.every((line) => !line.includes("█")), shown.join("\n"));
  assert.ok(shown.some((line) => line.startsWith("eval 4/4 | val loss ")));
  assert.ok(!shown.some((line) => line.startsWith("step ")));
});

Deno.test("hearth train and resume by Ctrl+C give the losses of one long run", async () => {
  await using whole = await Workspace.create();
  const argv = ["--steps", "40", "--log-every", "1", "--eval-every", "0"];
  await whole.train(argv);
  await using parted = await Workspace.create();
  const first = await parted.train(argv, {
    onStderr: (text, press) => text.startsWith("step 20/") && press(),
  });
  assert.equal(first.code, 3);
  assert.match(
    first.err,
    /stopping and saving \(Ctrl\+C again to quit at once\)\n/,
  );
  assert.match(first.out, /^run +owl-1, stopped at step \d+\/40 /);
  assert.match(first.err, /Next:\n {2}hearth resume owl-1\n/);
  assert.equal((await state(parted)).status, "stopped");

  const second = await parted.run(["resume"]);
  assert.equal(second.code, 0, second.err);
  assert.match(second.out, /^run +owl-1, completed at step 40\/40 /);

  const losses = async (workspace: Workspace) => {
    const path = workspace.path(join("runs", "owl-1", "metrics.jsonl"));
    return events(await Deno.readTextFile(path)).map(
      ({ kind, step, trainLoss, valLoss }) => ({
        kind,
        step,
        trainLoss,
        valLoss,
      }),
    );
  };
  assert.deepEqual(await losses(parted), await losses(whole));
  const tensors = (workspace: Workspace) =>
    Deno.readFile(
      workspace.path("checkpoints/owl-1/step-00000040/model.safetensors"),
    );
  assert.deepEqual(await tensors(parted), await tensors(whole));
});

Deno.test("hearth train stopped while it prepares exits 3 and can be resumed", async () => {
  await using workspace = await Workspace.create();
  for (const stage of ["reading data", "tokenizing", "preparing model"]) {
    const argv = [...STEPS, "--run-id", stage.replace(" ", "-")];
    const { code, out, err } = await workspace.train(argv, {
      onStderr: (text, press) => text.startsWith(stage) && press(),
    });
    assert.equal(code, 3, stage);
    assert.match(err, /stopping the preparation \(Ctrl\+C again/);
    assert.match(out, /, stopped (before training|at step 0\/4 .*)\n/);
    await Deno.remove(workspace.path("data"), { recursive: true })
      .catch(() => {}); // the next one prepares anew
  }
  const { code, out } = await workspace.run(["resume", "tokenizing"]);
  assert.equal(code, 0);
  assert.match(out, /^run +tokenizing, completed at step 4\/4 /);
});

Deno.test("hearth train ends at once at the second Ctrl+C", async () => {
  await using workspace = await Workspace.create();
  const { code } = await workspace.train(["--steps", "1000"], {
    onStderr(text, press) {
      if (!text.startsWith("eval")) return;
      press();
      press();
    },
  });
  assert.equal(code, 130);
});

Deno.test("hearth train saves and exits 0 when its reader has gone", async () => {
  await using workspace = await Workspace.create();
  const { code, err } = await workspace.train([
    ...["--steps", "100000", "--log-every", "1", "--json"],
  ], {
    onStdout(text) {
      if (!text.includes('"step":3,')) return;
      throw new Deno.errors.BrokenPipe("Broken pipe");
    },
  });
  assert.deepEqual([code, err], [0, ""]);
  const { status, lastCheckpoint } = await state(workspace);
  assert.equal(status, "stopped");
  assert.notEqual(lastCheckpoint, null);
});

Deno.test("hearth train goes on where its output has no room, and says so", async () => {
  await using workspace = await Workspace.create();
  const full = new UserError("Cannot write what is printed: the disk is full", {
    hint: "let it go to another place than the one after >",
    cause: Object.assign(new Error("no space"), { code: "ENOSPC" }),
  });
  const steps: number[] = [];
  const { code, err } = await workspace.train([
    ...["--steps", "5", "--log-every", "1", "--json"],
  ], {
    onStdout(text) {
      const event = JSON.parse(text);
      if (event.kind !== "step") return;
      if (event.step === 2) throw full;
      steps.push(event.step);
    },
  });
  assert.deepEqual([code, err], [
    1,
    `error: ${full.message}\nhint: ${full.hint}\n`,
  ]);
  assert.deepEqual(steps, [1, 3, 4, 5]);
  const { status, step } = await state(workspace);
  assert.deepEqual([status, step], ["completed", 5]);
});

Deno.test("hearth train saves when Ctrl+C ends its reader as well", async () => {
  await using workspace = await Workspace.create();
  let isRead = true; // as in 2>&1 | tee log
  const { code } = await workspace.train(["--steps", "1000"], {
    onStderr(text, press) {
      if (!isRead) throw new Deno.errors.BrokenPipe("Broken pipe");
      if (!text.startsWith("step")) return;
      isRead = false;
      press();
    },
  });
  assert.equal(code, 3);
  const { status, lastCheckpoint } = await state(workspace);
  assert.equal(status, "stopped");
  assert.notEqual(lastCheckpoint, null);
});

Deno.test("hearth train stops well when its reader goes before training", async () => {
  await using workspace = await Workspace.create();
  const { code } = await workspace.train(["--steps", "1000"], {
    onStderr(text) {
      if (text === "reading data\n") return;
      throw new Deno.errors.BrokenPipe("Broken pipe");
    },
  });
  assert.equal(code, 0);
  const { status, error } = await state(workspace);
  assert.deepEqual([status, error], ["stopped", null]);
});

Deno.test("hearth passes over damaged checkpoints and says so", async () => {
  await using workspace = await Workspace.create();
  const { code } = await workspace.train(
    ["--steps", "9", "--checkpoint-every", "1", "--log-every", "1"],
    { onStderr: (text, press) => text.startsWith("step 5/") && press() },
  );
  assert.equal(code, 3);
  const folder = workspace.path("checkpoints/owl-1");
  const names = Array.from(Deno.readDirSync(folder), ({ name }) => name)
    .filter((name) => name.startsWith("step-")).sort();
  const [good, second, newest] = names.slice(-3);
  const model = (name: string) => join(folder, name, "model.safetensors");
  const bytes = await Deno.readFile(model(newest));
  bytes[bytes.length - 9] ^= 1; // one bit
  await Deno.writeFile(model(newest), bytes);
  await Deno.truncate(model(second), 100);
  const warnings = [
    `warning: Cannot load "owl-1/${newest}": sha256 of ` +
    `model.safetensors differs from manifest.json; using ${good}`,
    `warning: Cannot load "owl-1/${second}": model.safetensors is 100 B, ` +
    `expected 13.5 kB; using ${good}`,
  ];
  const printed = (err: string) =>
    err.split("\n").filter((line) => line.startsWith("warning"));

  const text = await workspace.run(["generate", "--max-new-tokens", "5"]);
  assert.equal(text.code, 0, text.err);
  assert.deepEqual(printed(text.err), warnings);

  const chosen = await workspace.run(["generate", `owl-1/${newest}`]);
  assert.equal(chosen.code, 1);
  assert.equal(
    chosen.err,
    `error: Cannot load "ROOT/checkpoints/owl-1/${newest}": sha256 of ` +
      "model.safetensors differs from manifest.json\n" +
      `hint: the newest good checkpoint is ${good}\n`,
  );

  const resumed = await workspace.run(["resume"]);
  assert.equal(resumed.code, 0, resumed.err);
  assert.deepEqual(printed(resumed.err), warnings);
  assert.ok(resumed.err.includes(`, resumed from ${good}\n`));
  assert.match(resumed.out, /^run +owl-1, completed at step 9\/9 /);
});

Deno.test("hearth train refuses a root that cannot be written", async () => {
  await using workspace = await Workspace.create();
  const file = workspace.path("text.txt"); // a file is no place for a root
  const { code, out, err } = await run([
    ...["train", "--dataset", file, ...TINY, "--root", file],
  ]);
  assert.deepEqual([code, out], [2, ""]);
  assert.equal(
    err,
    `error: Cannot look for runs in "${join(file, "runs")}": a part of the ` +
      "path is a file\n" +
      "hint: check the folder after --root, or that of HEARTH_ROOT\n",
  );
});
