/**
 * Starting and resuming runs from forms, up to the other process.
 */

import assert from "node:assert/strict";
import type { TuiOptions } from "../../src/tui/screen.ts";
import { readRun } from "../../src/run/files/runs.ts";
import { FakeRun } from "../run/_fake_run.ts";
import { Workspace } from "../cli/_workspace.ts";
import { TestTui } from "./_ink.tsx";

type StartAgain = TuiOptions["startAgain"];

/** A process that trains until the test is over. */
function training(root: string, runs: FakeRun[]): StartAgain {
  return async ({ runId }) => {
    const run = new FakeRun(root, runId);
    await run.begin();
    runs.push(run);
    return { pid: Deno.pid, ended: new Promise(() => {}) };
  };
}

/** A process that ends at once. */
function failing(output: string): StartAgain {
  return () =>
    Promise.resolve({
      pid: 4242,
      ended: Promise.resolve({ code: 2, signal: null, output }),
    });
}

Deno.test("the form of a new run, exactly", async () => {
  await using tui = new TestTui("/no/such/root", { columns: 80, rows: 24 });
  await tui.dashboard.look();
  await tui.press("n");
  await tui.shows("parameters");
  const frame = tui.frame.replace(/of [\d.]+ .B free/, "of # free");
  assert.deepEqual(frame.split("\n"), [
    " hearth › runs › new run                                            0 runs  2/s",
    " ❯ profile         ‹ tiny ›                  Which profile to start from?",
    "   from            a new model",
    "   dataset         sample",
    "   epochs          –",
    "   or steps        500",
    "   batch size      16",
    "   seq length      128",
    "   learning rate   0.001",
    "   accumulation    1",
    "   device          auto",
    "   precision       fp32",
    "   settings file   none",
    "   other settings  none",
    "   run id          a new name",
    "   background      yes",
    "",
    " parameters  1.1M",
    " memory      103.5 MB to train",
    " disk        38.6 MB of # free",
    " steps       about 500 of 2,048 tokens",
    "",
    " $ hearth --root /no/such/root train --profile tiny --detach",
    " Enter go on  ↓ field  ^Y copy command  Esc back  ^G help",
  ]);
  await tui.press("down", "up", "right");
  await tui.shows("‹ small ›");
  await tui.shows(/parameters {2}1[12]M/);
});

Deno.test("a form launches what its command line would, and shows run and process", async () => {
  await using workspace = await Workspace.create();
  const { root } = workspace;
  const started: FakeRun[] = [];
  const asked: Parameters<StartAgain>[0][] = [];
  const start = training(root, started);
  await using tui = new TestTui(root, {
    columns: 100,
    rows: 30,
    startAgain: (options) => {
      asked.push(options);
      return start(options);
    },
  });
  await tui.dashboard.look();
  await tui.press("n");
  await tui.shows("parameters");
  await tui.press("down", "down", workspace.path("text.txt"));
  await tui.press("down", "down", "7", "down", "2", "down", "8");
  await tui.press("down", "down", "down", "down", "down", "down");
  await tui.press("tokenizer.type=byte model.nEmbd=8 threads=1");
  await tui.press("\x19"); // Ctrl+Y
  const args = [
    ...["--root", root, "train", "--profile", "tiny"],
    ...["--dataset", workspace.path("text.txt"), "--steps", "7"],
    ...["--batch-size", "2", "--seq-len", "8"],
    ...["--set", "tokenizer.type=byte", "--set", "model.nEmbd=8"],
    ...["--set", "threads=1", "--detach"],
  ];
  assert.deepEqual(tui.copied, [["hearth", ...args].join(" ")]);
  await tui.press("enter");
  await tui.shows("Enter starts it in the background");
  await tui.press("enter");
  await tui.shows(`owl-1 trains in process ${Deno.pid}`);
  await tui.shows("● running");
  assert.deepEqual(asked.map(({ args }) => args), [args]);
  const { meta } = await readRun(root, "owl-1");
  assert.deepEqual(meta?.commandLine, ["hearth", ...args]);
  assert.deepEqual(
    [meta?.config.train.steps, meta?.config.model.nEmbd, meta?.config.threads],
    [7, 8, 1],
  );
  for (const run of started) await run[Symbol.asyncDispose]();
});

Deno.test("a form shows what the other process failed with, and keeps what was filled in", async () => {
  await using workspace = await Workspace.create();
  await using tui = new TestTui(workspace.root, {
    columns: 100,
    rows: 30,
    startAgain: failing("error: Cannot use it: too short\nhint: use more\n"),
  });
  await tui.dashboard.look();
  await tui.press("n");
  await tui.shows("parameters");
  await tui.press("up", "up", "my-run", "enter");
  await tui.shows("Enter starts it");
  await tui.press("enter");
  await tui.shows(/✗ Cannot use it: too short\n use more/);
  await tui.press("esc");
  await tui.shows("my-run");
  assert.deepEqual(await workspace.names(), ["runs"]);
});

Deno.test("a form goes to the field that is wrong, and starts nothing", async () => {
  await using workspace = await Workspace.create();
  await using tui = new TestTui(workspace.root, { columns: 100, rows: 30 });
  await tui.dashboard.look();
  await tui.press("n");
  await tui.shows("parameters");
  for (let i = 0; i < 7; i++) await tui.press("down");
  await tui.press("fast");
  await tui.shows("✗ expected a number above 0");
  await tui.press("up", "enter");
  await tui.shows("❯ learning rate   fast");
  await tui.shows("✗ Cannot use --lr fast: expected a number above 0");
});

Deno.test("a run that is not for the background leaves the dashboard", async () => {
  await using workspace = await Workspace.create();
  await using tui = new TestTui(workspace.root, { columns: 100, rows: 30 });
  await tui.dashboard.look();
  await tui.press("n");
  await tui.shows("parameters");
  await tui.press("up", "right", "enter");
  await tui.shows("Enter closes the dashboard and trains in this terminal");
  await tui.press("enter");
  assert.deepEqual(tui.left, {
    args: ["--root", workspace.root, "train", "--profile", "tiny"],
  });
});

Deno.test("resume asks how much more of a run that is complete", async () => {
  await using workspace = await Workspace.create();
  await workspace.train(["--steps", "4", "--quiet"]);
  const asked: (readonly string[])[] = [];
  await using tui = new TestTui(workspace.root, {
    columns: 100,
    rows: 30,
    startAgain: (options) => {
      asked.push(options.args);
      return failing("error: no\nhint: never\n")({ ...options });
    },
  });
  await tui.dashboard.look();
  await tui.press("r");
  await tui.shows("It is complete: say how much more it is to train");
  await tui.press("down", "down", "5", "down", "right");
  await tui.shows("5 steps to come");
  await tui.press("enter");
  await tui.shows("Go on with owl-1 from latest");
  await tui.press("enter");
  await tui.shows("✗ no");
  assert.deepEqual(asked, [[
    ...["--root", workspace.root, "resume", "owl-1", "--more-steps", "5"],
    ...["--lr-policy", "rewarm", "--detach"],
  ]]);
});

Deno.test("a run that trains a model on is started from it, with adapters", async () => {
  await using workspace = await Workspace.create();
  const { root } = workspace;
  await workspace.train(["--steps", "4", "--quiet"]);
  const started: FakeRun[] = [];
  await using tui = new TestTui(root, {
    columns: 100,
    rows: 34,
    startAgain: training(root, started),
  });
  await tui.dashboard.look();
  await tui.press("f");
  await tui.shows("LoRA rank       none: all weights are trained");
  await tui.shows(/from +owl-1\/latest/);
  await tui.shows(/learning rate +0\.0001/);
  await tui.press("down", "down", "900");
  await tui.shows(
    /✗ Cannot use lora\.rank 900: "h\.0\.attn\.qkv\.weight" is 8 x 24/,
  );
  await tui.press("\x15", "down", "8"); // Ctrl+U
  await tui.shows(
    "✗ Cannot use lora.alpha without lora.rank: there are no adapters",
  );
  await tui.press("up", "2", "down", "down", "0.1", "down", "qkv");
  await tui.press("down", workspace.path("text.txt"), "down", "down", "6");
  await tui.shows(/learning rate +0\.001/); // of adapters
  const args = [
    ...["--root", root, "train", "--from", "owl-1/latest"],
    ...["--lora-rank", "2", "--lora-alpha", "8", "--lora-dropout", "0.1"],
    ...["--lora-targets", "qkv", "--dataset", workspace.path("text.txt")],
    ...["--steps", "6", "--detach"],
  ];
  await tui.press("\x19"); // Ctrl+Y
  assert.deepEqual(tui.copied, [["hearth", ...args].join(" ")]);
  await tui.press("enter");
  await tui.shows("A new run with adapters for owl-1/step-00000004");
  await tui.shows(/parameters +[\d.]+k, adapters of 64 are trained/);
  await tui.press("enter");
  const [, name] = /(\w+-1) trains in process/.exec(
    await tui.shows("trains in process"),
  )!;
  const { meta } = await readRun(root, name);
  assert.deepEqual(meta?.commandLine, ["hearth", ...args]);
  assert.equal(meta?.config.from, "owl-1/step-00000004");
  assert.deepEqual(meta?.config.lora, {
    ...{ rank: 2, alpha: 8, dropout: 0.1, targets: "qkv" },
  });
  for (const run of started) await run[Symbol.asyncDispose]();
});

Deno.test("a form says where there is no model of that name", async () => {
  await using workspace = await Workspace.create();
  await using tui = new TestTui(workspace.root, { columns: 60, rows: 20 });
  await tui.press("n", "down", "nobody/best");
  await tui.shows(/✗ There is no run "nobody"/);
  await tui.press("enter");
  await tui.shows("❯ from            nobody/best");
});

Deno.test("generate writes with adapters, with a model of elsewhere and with the best", async () => {
  await using workspace = await Workspace.create();
  await workspace.train(["--steps", "4", "--quiet"]);
  await workspace.run([
    ...["train", "--from", "owl-1", "--lora-rank", "2", "--steps", "3"],
    ...["--dataset", workspace.path("text.txt"), "--run-id", "adapted"],
    ...["--quiet"],
  ]);
  const folder = workspace.path("hf");
  await workspace.run(["export", "owl-1", "--output", folder]);
  await workspace.run(["import", folder, "--as", "imported"]);
  await using tui = new TestTui(workspace.root, { columns: 100, rows: 34 });
  await tui.dashboard.look();
  const write = async (runId: string, model: string) => {
    await tui.press("/", runId, "enter", "g");
    await tui.shows("Enter writes a text");
    await tui.press("the cat", "down", model, "down", "down", "8", "enter");
    await tui.shows(/ 8 at [\d,]+ tok\/s/);
    const { out } = await workspace.run([
      ...["generate", model || runId, "--prompt", "the cat", "--json"],
      ...["--max-new-tokens", "8"],
    ]);
    // What cannot be shown is left out of both, as are further lines.
    const plain = (text: string) =>
      // deno-lint-ignore no-control-regex -- it takes them away
      text.replaceAll(/[\x00-\x1f\x7f-\x9f\ufffd]/g, "");
    const [line] = JSON.parse(out).text.split("\n");
    const { frame } = tui;
    const written = frame.split("\n").map(plain);
    assert.ok(
      written.some((one) => one.includes(plain(`the cat${line}`).trimEnd())),
      frame,
    );
    await tui.press("esc", "esc"); // to the runs, all of them
    return frame;
  };
  assert.match(await write("adapted", ""), /─ adapted\/step-00000003 ─/);
  assert.match(await write("imported", ""), /─ imported\/step-00000000 ─/);
  assert.match(
    await write("adapted", "adapted/best"),
    /─ adapted\/step-00000003 ─/,
  );
  // What nothing has trained here cannot go on.
  await tui.press("/", "imported", "enter", "r");
  await tui.shows("imported was imported: f trains it on");
});

Deno.test("generate writes with the newest model of a run that trains", async () => {
  await using workspace = await Workspace.create();
  await workspace.train(["--steps", "4", "--quiet"]);
  await using tui = new TestTui(workspace.root, { columns: 90, rows: 34 });
  await tui.dashboard.look();
  await tui.press("g");
  await tui.shows("Enter writes a text");
  await tui.press("enter");
  await tui.shows(/─ owl-1\/step-00000004 ─.* 200 at/);
  await workspace.run(["resume", "owl-1", "--more-steps", "2", "--quiet"]);
  await tui.press("enter");
  await tui.shows(/─ owl-1\/step-00000006 ─/);
});

Deno.test("generate says what is wrong with the name of a model", async () => {
  await using workspace = await Workspace.create();
  await workspace.train(["--steps", "4", "--quiet"]);
  await using tui = new TestTui(workspace.root, { columns: 90, rows: 34 });
  await tui.dashboard.look();
  await tui.press("g");
  await tui.shows("Enter writes a text");
  await tui.press("down", "ow1/best", "enter");
  await tui.shows('! There is no run "ow1" – there is owl-1');
});

Deno.test("generate says what to do where there is no checkpoint", async () => {
  await using workspace = await Workspace.create();
  await using run = new FakeRun(workspace.root);
  await run.begin();
  await using tui = new TestTui(workspace.root);
  await tui.dashboard.look();
  await tui.press("g");
  await tui.shows("owl-1 has no checkpoint to write with yet");
  await tui.shows("Wait for its first one, or stop it: then it saves one.");
});

Deno.test("generate writes the text that the command line writes", async () => {
  await using workspace = await Workspace.create();
  await workspace.train(["--steps", "4", "--quiet"]);
  await using tui = new TestTui(workspace.root, { columns: 70, rows: 30 });
  await tui.dashboard.look();
  await tui.press("g");
  await tui.shows("Enter writes a text");
  await tui.press("the 日本", "down", "down", "down", "12", "enter");
  await tui.shows(/ 12 at [\d,]+ tok\/s/);
  const { out } = await workspace.run([
    ...["generate", "owl-1", "--prompt", "the 日本", "--max-new-tokens", "12"],
    "--json",
  ]);
  const { text } = JSON.parse(out);
  // deno-lint-ignore no-control-regex -- the dashboard shows them as �
  const shown = text.replaceAll(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/g, "\ufffd");
  const [firstLine] = `the 日本${shown}`.split("\n");
  assert.ok(tui.frame.includes(firstLine.trimEnd()), tui.frame);
  await tui.press("\x12"); // Ctrl+R
  await tui.shows("2 of 2");
  assert.match(tui.frame, /seed +1338/);
  await tui.press("\x10"); // Ctrl+P
  await tui.shows("1 of 2");
});

Deno.test("the summary tells in full why a model does not fit", async () => {
  await using workspace = await Workspace.create();
  await using tui = new TestTui(workspace.root, { columns: 60, rows: 30 });
  await tui.press("n");
  await tui.press("up", "up", "up");
  for (const char of "model.nLayer=40 model.nEmbd=4096 device=cpu") {
    await tui.press(char);
  }
  await tui.shows("--set model.nEmbd=4096");
  await tui.press("enter");
  await tui.shows("t tries some steps");
  await tui.press("t");
  await tui.shows(/ time +see below\n ✗ Cannot fit the program in memory/);
  await tui.shows(/the\n CPU backend can address 4\.3 GB\n/);
});
