/**
 * Key presses by name: `up`, `enter`, `ctrl-c`, `a`, `?`.
 *
 * @module
 */

import type { Key } from "ink";
import { graphemes } from "./text/width.ts";

/** Keys that Ink names itself, and what they are called here. */
const NAMED = {
  upArrow: "up",
  downArrow: "down",
  leftArrow: "left",
  rightArrow: "right",
  pageUp: "pageup",
  pageDown: "pagedown",
  home: "home",
  end: "end",
  return: "enter",
  escape: "esc",
  backspace: "backspace",
  delete: "delete",
} as const satisfies Partial<Record<keyof Key, string>>;

/** What control characters inside a fast typist's chunk mean. */
const CONTROL: Record<string, string> = {
  "\r": "enter",
  "\n": "enter",
  "\t": "tab",
  "\x7f": "backspace",
  "\b": "backspace",
};

/** The presses in what Ink hands over: several, if they came at once. */
export function keyNames(input: string, key: Key): string[] {
  if (key.tab) return [key.shift ? "shift-tab" : "tab"];
  for (const [name, called] of Object.entries(NAMED)) {
    if (key[name as keyof typeof NAMED]) return [called];
  }
  if (key.ctrl && input !== "") return [`ctrl-${input}`];
  if (key.meta) return [];
  return graphemes(input).flatMap((one) => {
    if (CONTROL[one]) return [CONTROL[one]];
    if (one === "\r\n") return ["enter"];
    // Ctrl and a letter; Ink knows them only when they come alone.
    const code = one.charCodeAt(0);
    if (code >= 1 && code <= 26) {
      return [`ctrl-${String.fromCharCode(code + 96)}`];
    }
    // deno-lint-ignore no-control-regex -- these are no text
    return /^[\x00-\x1f\x7f-\x9f]/.test(one) ? [] : [one];
  });
}

/** Whether a key stands for a character that can be typed into a text. */
export function isText(key: string): boolean {
  return graphemes(key).length === 1;
}
