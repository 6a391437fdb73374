import assert from "node:assert/strict";
import { footerLine } from "../../src/tui/frame.ts";
import {
  actionOf,
  KEYMAP,
  keySign,
  type ScreenName,
} from "../../src/tui/keymap.ts";
import { keyNames } from "../../src/tui/keys.ts";
import { lineWidth } from "../../src/tui/text/line.ts";
import { lineText } from "./_line_text.ts";

const SCREENS = Object.keys(KEYMAP) as ScreenName[];

for (const screen of SCREENS) {
  Deno.test(`KEYMAP has one action for each key of ${screen}`, () => {
    const keys = KEYMAP[screen].flatMap(({ keys }) => keys);
    assert.deepEqual(keys.filter((key, i) => keys.indexOf(key) !== i), []);
    assert.equal(actionOf(screen, "ctrl-c") !== null, true);
    for (const columns of [40, 60, 80, 200]) {
      assert.ok(lineWidth(footerLine(KEYMAP[screen], columns)) <= columns);
    }
  });
}

Deno.test("footerLine() leaves out what does not fit, never the help", () => {
  assert.equal(
    lineText(footerLine(KEYMAP.runs, 44)).trimEnd(),
    " Enter open  n new  ? help  q quit",
  );
  assert.equal(keySign("ctrl-g"), "^G");
});

/** The part of Ink's keys that counts. */
const key = (pressed: Record<string, boolean> = {}) =>
  pressed as unknown as Parameters<typeof keyNames>[1];

Deno.test("keyNames() names keys, and takes a chunk of typing apart", () => {
  assert.deepEqual(keyNames("", key({ upArrow: true })), ["up"]);
  assert.deepEqual(keyNames("", key({ tab: true, shift: true })), [
    "shift-tab",
  ]);
  assert.deepEqual(keyNames("c", key({ ctrl: true })), ["ctrl-c"]);
  assert.deepEqual(keyNames("ab\r", key()), ["a", "b", "enter"]);
  assert.deepEqual(keyNames("1\x19", key()), ["1", "ctrl-y"]);
  assert.deepEqual(keyNames("日👩‍👩‍👧", key()), ["日", "👩‍👩‍👧"]);
  assert.deepEqual(keyNames("\x1b\x00", key()), []);
  assert.deepEqual(keyNames("x", key({ meta: true })), []);
});
