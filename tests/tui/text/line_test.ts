import assert from "node:assert/strict";
import { bold, line, lineWidth, span } from "../../../src/tui/text/line.ts";
import { lineText } from "../_line_text.ts";

Deno.test("line() and its parts hold nothing that drives a terminal", () => {
  const evil = "a\x1b[2J\x9b\x07\tb\nc";
  const safe = "a\ufffd[2J\ufffd\ufffd b c";
  const made = line(evil, span(evil), bold(evil));
  assert.equal(lineText(made), safe.repeat(3));
  assert.equal(lineWidth(made), 3 * 11);
});
