import assert from "node:assert/strict";
import { safeJson, safeText } from "../../src/base/safe_text.ts";

Deno.test("safeText() leaves no character that drives a terminal", () => {
  assert.equal(safeText("a\x1b[2J\x9b1m\r\x07\x7f\0"), "a�[2J�1m����");
  assert.equal(safeText("tab\tline\né \u{1f98a}"), "tab\tline\né \u{1f98a}");
});

Deno.test("safeJson() is JSON without them", () => {
  const value = { name: "\x1b]0;x\x07 \x9b \x7f é\n" };
  const json = safeJson(value);
  // deno-lint-ignore no-control-regex -- these are what is looked for
  assert.doesNotMatch(json, /[\x00-\x1f\x7f-\x9f]/);
  assert.deepEqual(JSON.parse(json), value);
  assert.equal(safeJson(undefined), "null");
});
