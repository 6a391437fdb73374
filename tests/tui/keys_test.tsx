/**
 * Every key that the help of a screen shows does something there.
 */

import assert from "node:assert/strict";
import { runPaths } from "../../src/run/files/run_paths.ts";
import { DETAIL_PAGES, KEYMAP, type ScreenName } from "../../src/tui/keymap.ts";
import { eventually } from "../run/_eventually.ts";
import { FakeRun } from "../run/_fake_run.ts";
import { inTempDir } from "../run/_helpers.ts";
import { Workspace } from "../cli/_workspace.ts";
import { KEYS, TestTui } from "./_ink.tsx";

/** What a terminal sends for a key of the keymap. */
function sent(key: string): string {
  const ctrl = /^ctrl-(.)$/.exec(key);
  if (ctrl) return String.fromCharCode(ctrl[1].charCodeAt(0) - 96);
  return KEYS[key as keyof typeof KEYS] ?? key;
}

/** How to come to a screen from the runs, and what it then shows. */
const WAYS: Partial<Record<ScreenName, [keys: string[], shows: string]>> = {
  runs: [[], "Enter open"],
  overview: [["enter"], "⠒⠒ loss"],
  log: [["enter", "2"], "step 60/60"],
  checkpoints: [["enter", "3"], "resumes from it"],
  settings: [["enter", "4"], "seed:"],
  problems: [["enter", "5"], "warning 59"],
  form: [["n"], "❯ profile"],
  resume: [["r"], "more epochs"],
  review: [["n", "enter"], "Enter starts it"],
  generate: [["g"], "Enter writes"],
  filter: [["/", "w"], "filter w"],
  confirm: [["d"], "Remove"],
  help: [["?"], "keys"],
};

/** A prompt that takes more lines than there are. */
const LONG = "long ".repeat(300);

/** Keys after which the action has something to do. */
const BEFORE: Partial<Record<string, string[]>> = {
  "runs clearFilter": ["/", "o", "enter"],
  "runs up": ["down"],
  "runs pageup": ["end"],
  "runs home": ["end"],
  "overview left": ["z"],
  "overview right": ["z", "left"],
  "overview zoomOut": ["z"],
  "form left": ["down", "a"],
  "form right": ["down", "a", "left"],
  "form start": ["down", "a"],
  "form end": ["down", "a", "left"],
  "form backspace": ["down", "a"],
  "form delete": ["down", "a", "left"],
  "form clear": ["down", "a"],
  // It has no second checkpoint to choose.
  "resume left": ["down", "a"],
  "resume right": ["down", "a", "left"],
  "resume start": ["down", "a"],
  "resume end": ["down", "a", "left"],
  "resume backspace": ["down", "a"],
  "resume delete": ["down", "a", "left"],
  "resume clear": ["down", "a"],
  "generate left": ["a"],
  "generate right": ["a", "left"],
  "generate start": ["a"],
  "generate end": ["a", "left"],
  "generate backspace": ["a"],
  "generate delete": ["a", "left"],
  "generate clear": ["a"],
  // Two texts, of which the second one is shown.
  "generate older": ["enter", "WRITTEN", "enter", "WRITTEN"],
  "generate newer": ["enter", "WRITTEN", "enter", "WRITTEN", "ctrl-p"],
  "generate pageup": [LONG, "enter", "WRITTEN"],
  "generate pagedown": [LONG, "enter", "WRITTEN", "pageup"],
  "generate halt": ["enter"],
};
for (const screen of ["checkpoints", "settings", "problems", "help"]) {
  BEFORE[`${screen} up`] = ["down"];
  BEFORE[`${screen} pageup`] = BEFORE[`${screen} home`] = ["end"];
}
// The log begins at its end.
for (const action of ["down", "pagedown", "end"]) {
  BEFORE[`log ${action}`] = ["home"];
}

/** What comes of the key in the end: here, a run that is made and taken away. */
const AFTER: Partial<Record<string, string>> = {
  "review submit": "no process can be started here",
};

/** The same everywhere; looked at among the runs. */
const GLOBAL = ["faster", "slower", "pause", "help", "quit"];
/** The same on all pages of a run; looked at on the first one. */
const OF_RUN = KEYMAP.overview.map(({ action }) => action);
const LATER_PAGES: readonly string[] = DETAIL_PAGES.slice(1);
/** Has nothing to do here: there is no shell, no other page, it runs already. */
const IDLE = [
  /suspend$/,
  ...DETAIL_PAGES.map((page, i) => new RegExp(`^${page} tab${i + 1}$`)),
  /^review probe$/,
];

Deno.test("every key does something on every screen whose help has it", async () => {
  await using workspace = await Workspace.create();
  await workspace.train([
    ...["--steps", "60", "--log-every", "1", "--checkpoint-every", "3"],
    ...["--checkpoint-keep", "20", "--quiet"],
  ]);
  const { state } = runPaths(workspace.root, "owl-1");
  await Deno.writeTextFile(
    state,
    JSON.stringify({
      ...JSON.parse(await Deno.readTextFile(state)),
      warnings: Array.from({ length: 60 }, (_, i) => `warning ${i}`),
    }),
  );
  await using other = new FakeRun(workspace.root, "other-1");
  await other.begin();
  await other.end("stopped");
  const idle: string[] = [];
  for (const [screen, [way, shown]] of Object.entries(WAYS)) {
    for (const { action, keys } of KEYMAP[screen as ScreenName]) {
      if (IDLE.some((one) => one.test(`${screen} ${action}`))) continue;
      if (screen !== "runs" && GLOBAL.includes(action)) continue;
      if (LATER_PAGES.includes(screen) && OF_RUN.includes(action)) continue;
      await using tui = new TestTui(workspace.root, {
        columns: 80,
        rows: screen === "help" ? 14 : 20,
      });
      await tui.dashboard.look();
      await tui.press(...way);
      await tui.shows(shown);
      for (const before of BEFORE[`${screen} ${action}`] ?? []) {
        if (before !== "WRITTEN") await tui.press(sent(before));
        else await tui.shows(/^(?![^]*▌)[^]*─ [\d,]+ at [\d,]+ tok\/s/);
      }
      const { styledFrame } = tui;
      await tui.press(sent(keys[0]));
      const isDone = () =>
        tui.styledFrame !== styledFrame || tui.left !== null ||
        tui.copied.length > 0;
      await eventually(isDone).catch(() =>
        idle.push(`${screen}: ${keys[0]}, ${action}`)
      );
      await tui.shows(AFTER[`${screen} ${action}`] ?? "");
    }
  }
  assert.deepEqual(idle, []);
});

Deno.test("every key of a screen without runs does something", async () => {
  await inTempDir(async (root) => {
    for (const { action, keys } of KEYMAP.empty) {
      if (action === "suspend") continue;
      for (const key of keys) {
        await using tui = new TestTui(root, { columns: 80, rows: 20 });
        const { frame } = tui;
        await tui.press(sent(key));
        assert.ok(tui.frame !== frame || tui.left !== null, key);
      }
    }
  });
});
