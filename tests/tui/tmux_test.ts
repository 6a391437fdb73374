/**
 * The dashboard as a person has it: in a terminal, with processes that train.
 */

import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { listRuns } from "../../src/run/files/runs.ts";
import { saySkipped } from "../_skipped.ts";
import { canRun } from "../base/_helpers.ts";
import { endingRuns } from "../cli/_real_process.ts";
import { Workspace } from "../cli/_workspace.ts";
import { FakeRun } from "../run/_fake_run.ts";
import { hasTmux, MOD, Tmux } from "./_tmux.ts";

const withTmux = await hasTmux();
if (!withTmux) saySkipped("tests in a terminal are skipped: there is no tmux");

/** As `TINY`, for the field of other settings. */
const SETTINGS = "tokenizer.type=byte model.nLayer=1 model.nHead=2 " +
  "model.nEmbd=8 threads=1 train.warmupSteps=2 train.evalEvery=0 " +
  "checkpoint.every=0";

/** Fills in the form of a run that only a request or a signal ends. */
async function fillIn(tmux: Tmux, dataset: string) {
  await tmux.shows("parameters");
  await tmux.press("Down", "Down");
  await tmux.type(dataset);
  await tmux.press("Down", "Down");
  await tmux.type("100000000");
  await tmux.press("Down");
  await tmux.type("2");
  await tmux.press("Down");
  await tmux.type("8");
  await tmux.press("Down", "Down", "Down", "Down", "Down", "Down");
  await tmux.type(SETTINGS);
  await tmux.shows("parameters  3.0k");
  await tmux.press("Enter");
  await tmux.shows("Enter starts it");
  await tmux.press("Enter");
  return await tmux.shows(/● running .* step [\d,]+\/100,000,000/);
}

Deno.test({
  name:
    "a run is started, watched, stopped, resumed and written with in a terminal",
  ignore: !withTmux,
  async fn() {
    await using workspace = await Workspace.create();
    await using _ended = endingRuns(workspace);
    await using tmux = await Tmux.hearth(["--root", workspace.root], {
      columns: 90,
      rows: 28,
    });
    await tmux.shows("No runs yet");
    assert.equal(await tmux.variable("alternate_on"), "1");
    await tmux.press("n");
    const first = await fillIn(tmux, workspace.path("text.txt"));
    const step = /step ([\d,]+)\//.exec(first)![1];
    await tmux.shows(new RegExp(`step (?!${step}/)[\\d,]+/100`)); // goes on

    await tmux.resize(60, 20);
    await tmux.shows(
      /^ hearth .{0,53}\n.*5 problems(?: \d+)?\n ● running .* step [\d,]+\/100,000,000\n/,
    );
    await tmux.resize(90, 28);
    await tmux.shows(/● running .* epoch/);

    await tmux.press("s");
    await tmux.shows("Stop owl-1?");
    await tmux.press("y");
    await tmux.shows("■ stopped");
    const [stopped] = await listRuns(workspace.root);
    const before = stopped.state!.step!;

    await tmux.press("r");
    await tmux.shows("more epochs");
    await tmux.press("Down");
    await tmux.type("1");
    await tmux.shows("--more-epochs 1 --detach");
    await tmux.press("Enter");
    await tmux.shows("Enter starts it");
    await tmux.press("Enter");
    await tmux.shows(/^ hearth › runs › owl-1 .*\n.*\n ✓ completed/);
    const [resumed] = await listRuns(workspace.root);
    const more = resumed.state!.step! - before;
    assert.ok(Math.abs(more - resumed.meta!.stepsPerEpoch!) < 1, `${more}`);

    await tmux.press("g");
    await tmux.shows("Enter writes a text");
    await tmux.type("the cat");
    await tmux.press("Down", "Down", "Down");
    await tmux.type("20");
    await tmux.press("Enter");
    const written = await tmux.shows(/ 20 at [\d,]+ tok\/s/);
    assert.match(written, /│ the cat/);

    await tmux.press("Escape");
    await tmux.shows("1 overview");
    await tmux.press("q");
    await tmux.shows("EXIT=0");
    assert.equal(await tmux.variable("alternate_on"), "0");
    assert.equal(await tmux.variable("cursor_flag"), "1");
  },
});

/** In front of a command: without what lets root open anything. */
const asAnybody = Deno.uid() === 0
  ? "setpriv --bounding-set=-all --inh-caps=-all"
  : "";

Deno.test({
  name: "Esc works in a terminal that this user may not open, as after su",
  ignore: !withTmux || Deno.build.os !== "linux" ||
    asAnybody !== "" && !await canRun("setpriv", ["--version"]),
  async fn() {
    await using workspace = await Workspace.create();
    await using tmux = await Tmux.hearth(["--root", workspace.root, "tui"], {
      before: `chmod 000 "$(tty)"; ${asAnybody}`,
    });
    await tmux.shows("No runs yet");
    await tmux.press("?");
    await tmux.shows("all keys of this screen");
    await tmux.press("Escape");
    await tmux.shows("? help  q quit");
    await tmux.press("q");
    await tmux.shows("EXIT=0");
  },
});

Deno.test({
  name: "a run whose process is killed is shown as interrupted in a terminal",
  ignore: !withTmux,
  async fn() {
    await using workspace = await Workspace.create();
    await using _ended = endingRuns(workspace);
    await using tmux = await Tmux.hearth(["--root", workspace.root, "tui"], {
      columns: 90,
      rows: 28,
    });
    await tmux.shows("No runs yet");
    await tmux.press("n");
    await fillIn(tmux, workspace.path("text.txt"));
    const [{ state }] = await listRuns(workspace.root);
    Deno.kill(state!.pid!, "SIGKILL");
    await tmux.shows("! interrupted");
    await tmux.press("Escape");
    await tmux.shows(/owl-1 +! interrupted/);

    // What the dashboard is ended by does not matter to the terminal.
    await tmux.press("C-c");
    await tmux.shows("EXIT=0");
    assert.equal(await tmux.variable("alternate_on"), "0");
  },
});

Deno.test({
  name: "50 runs that change 10 times a second are followed in a terminal",
  ignore: !withTmux,
  async fn() {
    await using workspace = await Workspace.create();
    await using runs = new AsyncDisposableStack();
    const all = Array.from(
      { length: 50 },
      (_, i) => runs.use(new FakeRun(workspace.root, `run-${i}`)),
    );
    for (const run of all) await run.begin();
    const setAll = (step: number) =>
      Promise.all(all.map((run) => run.set({ step, totalSteps: 100 })));
    await using tmux = await Tmux.hearth(["--root", workspace.root, "tui"], {
      columns: 90,
      rows: 56,
    });
    await tmux.shows("50 runs, 50 running");
    await tmux.press("+", "+");
    await tmux.shows("10/s");
    for (let step = 1; step <= 20; step++) {
      await setAll(step);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    // The last words of all of them, and nothing else on the screen.
    await tmux.shows(/(^ run-\d+ +● running .* 20\/100 .*\n){50}/m);

    // One is damaged while it is watched: in the table, and on its page.
    await Deno.writeTextFile(all[7].paths.state, "{");
    await tmux.shows(/run-7 +✗ broken/);
    await tmux.press("/");
    await tmux.type("run-7");
    await tmux.press("Enter");
    await tmux.shows(/✗ Cannot read "[^]*it is not\s+JSON/);
    await tmux.press("Enter");
    await tmux.shows(/1 overview .* 5 problems 1\b/);
    await setAll(21);
    await tmux.shows(/● running .* step 21\/100/);
    await tmux.press("q");
    await tmux.shows("EXIT=0");
  },
});

Deno.test({
  name: "a terminal of 16 colors has escapes of those, and none where unwanted",
  ignore: !withTmux,
  async fn() {
    await using workspace = await Workspace.create();
    await using run = new FakeRun(workspace.root);
    await run.begin();
    const words = ["run", "-A", "--quiet", "--no-check", MOD];
    const command = [Deno.execPath(), ...words, "--root", workspace.root, "tui"]
      .map((word) => `'${word}'`).join(" ");
    const sixteen = "env -u COLORTERM TERM=xterm";
    for (const env of [sixteen, `${sixteen} NO_COLOR=1`]) {
      await using tmux = await Tmux.start(`${env} ${command}`);
      await tmux.shows("● running");
      const frame = await tmux.styledFrame();
      // deno-lint-ignore no-control-regex -- the escapes of colors
      const codes = frame.matchAll(/\x1b\[([\d;]*)m/g).flatMap(([, codes]) =>
        codes.split(";").map(Number)
      );
      const colors = [...new Set(codes)].filter((code) => code >= 30)
        .filter((code) => code !== 39 && code !== 49).sort();
      if (env !== sixteen) assert.deepEqual(colors, []);
      else {
        assert.ok(colors.includes(35), frame); // the keys
        assert.ok(colors.every((code) => code <= 36), frame);
      }
      await tmux.press("q");
      await tmux.shows("EXIT=0");
    }
  },
});

/** Wider than the first window, so that the shell's screen is wrapped anew. */
const LONG_LINE = "long".repeat(24);

for (
  const how of [
    ...["q", "C-c", "SIGTERM", "SIGHUP", "throws", "rejects", "exits"],
  ]
) {
  Deno.test({
    name: `the terminal is given back as it was, resized before: ${how}`,
    ignore: !withTmux,
    async fn() {
      const script = fileURLToPath(new URL("_crash.ts", import.meta.url));
      await using tmux = await Tmux.start(
        `echo ${LONG_LINE}; '${Deno.execPath()}' run -A --no-check ` +
          `'${script}' ${how}`,
      );
      for (
        const [columns, rows] of [[80, 24], [140, 40], [60, 20], [120, 40]]
      ) {
        await tmux.resize(columns, rows);
        const about = "? help  q quit";
        // The footer is the last row, the counts end the first one.
        await tmux.shows(
          new RegExp(
            `^.{${columns - 15},} 2/s\\n(.*\\n){${rows - 2}}.*${about}`
              .replace("?", "\\?"),
          ),
        );
      }
      if (how === "q" || how === "C-c") await tmux.press(how);
      else await tmux.resize(100, 40);
      const told = { throws: "caught: it crashed\nEXIT=1", exits: "EXIT=5" };
      const last = told[how === "rejects" ? "throws" : how as "throws"] ??
        "left\nEXIT=0";
      await tmux.shows(/EXIT=\d+/);
      // What is printed on the other screen is gone with it.
      assert.equal((await tmux.frame()).trim(), `${LONG_LINE}\n${last}`);
      assert.equal(await tmux.variable("alternate_on"), "0");
      assert.equal(await tmux.variable("cursor_flag"), "1");
    },
  });
}

Deno.test({
  name: "Ctrl+Z gives the terminal to the shell, and fg takes it again",
  ignore: !withTmux || Deno.build.os === "windows",
  async fn() {
    await using workspace = await Workspace.create();
    await using tmux = await Tmux.start("PS1='$ ' bash --norc");
    await tmux.shows("$");
    const script = fileURLToPath(new URL("_crash.ts", import.meta.url));
    await Deno.writeTextFile(
      workspace.path("go"),
      `echo before; '${Deno.execPath()}' run -A --quiet --no-check ` +
        `'${script}' none & echo $! > pid; fg`,
    );
    await tmux.type(`cd '${workspace.root}'; clear; . ./go`);
    await tmux.press("Enter");
    await tmux.shows("No runs yet");
    const pid = Number(await Deno.readTextFile(workspace.path("pid")));

    for (const how of ["key", "SIGTSTP", "bg", "SIGSTOP"]) {
      if (how === "key" || how === "bg") await tmux.press("C-z");
      else Deno.kill(pid, how as Deno.Signal);
      await tmux.shows(/Stopped[^]*\$\s*$/);
      if (how !== "SIGSTOP") { // which no process hears of
        assert.match(await tmux.frame(), /^before\n/);
        assert.equal(await tmux.variable("alternate_on"), "0");
        assert.equal(await tmux.variable("cursor_flag"), "1");
      }
      if (how === "bg") {
        await tmux.type("clear; bg; wait; echo waited");
        await tmux.press("Enter");
        // What was typed is gone with the screen before it.
        await tmux.shows(/Stopped[^]*\nwaited\n\$\s*$/);
        assert.equal(await tmux.variable("alternate_on"), "0");
      }
      await tmux.resize(90, 30);
      await tmux.type("clear; echo before; fg");
      await tmux.press("Enter");
      // The whole frame, in the new size.
      await tmux.shows(/^ hearth › runs.* 2\/s\n(.*\n){28}.*\? help {2}q quit/);
      assert.equal(await tmux.variable("alternate_on"), "1");
    }
    await tmux.press("q");
    await tmux.shows(/^before\n[^]*left\n\$\s*$/);
  },
});

Deno.test({
  name: "Ctrl+Z does nothing where there is no shell",
  ignore: !withTmux || Deno.build.os !== "linux",
  async fn() {
    await using workspace = await Workspace.create();
    await using tmux = await Tmux.hearth(["--root", workspace.root, "tui"]);
    await tmux.shows("0 runs");
    await tmux.press("C-z");
    await tmux.shows("there is no shell to go back to");
    await tmux.press("Down", "q");
    await tmux.shows("EXIT=0");
  },
});
