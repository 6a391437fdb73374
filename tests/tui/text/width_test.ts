import assert from "node:assert/strict";
import stringWidth from "string-width";
import {
  beside,
  cutLine,
  fitLine,
  line,
  lineWidth,
  sliceLine,
  span,
} from "../../../src/tui/text/line.ts";
import { panel } from "../../../src/tui/text/panel.ts";
import { scrollTo, tableLines } from "../../../src/tui/text/table.ts";
import {
  cutText,
  fitText,
  graphemes,
  textWidth,
  wrapWidth,
} from "../../../src/tui/text/width.ts";
import { lineText } from "../_line_text.ts";

Deno.test("textWidth() counts columns, not characters", () => {
  assert.equal(textWidth("abc"), 3);
  assert.equal(textWidth("日本語"), 6);
  assert.equal(textWidth("👩‍👩‍👧"), 2);
  assert.equal(textWidth("e\u0301"), 1);
  assert.deepEqual(graphemes("a👩‍👩‍👧b"), ["a", "👩‍👩‍👧", "b"]);
});

Deno.test("textWidth() says what string-width says of every character", () => {
  for (let code = 0; code < 0x10000; code++) {
    const char = String.fromCharCode(code);
    if (textWidth(char) === stringWidth(char)) continue;
    assert.fail(`${code.toString(16)}: ${textWidth(char)}`);
  }
  // What is one column by itself may join what follows.
  for (const text of ["●\ufe0f", "✓\u0301", "…\u200d👧"]) {
    assert.equal(textWidth(text), stringWidth(text));
  }
});

Deno.test("cutText() and fitText() never split a wide character", () => {
  assert.equal(cutText("日本語", 6), "日本語");
  assert.equal(cutText("日本語", 5), "日本…");
  assert.equal(cutText("日本語", 4), "日…");
  assert.equal(fitText("日本語", 4), "日… ");
  assert.equal(fitText("ab", 4, "right"), "  ab");
  assert.equal(cutText("abc", 0), "");
});

Deno.test("wrapWidth() breaks between words, and words that are too long", () => {
  assert.deepEqual(wrapWidth("one two three", 8), ["one two", "three"]);
  assert.deepEqual(wrapWidth("abcdefghij k", 4), ["abcd", "efgh", "ij k"]);
  assert.deepEqual(wrapWidth("日本語日本語", 5), ["日本", "語日", "本語"]);
  assert.deepEqual(wrapWidth("a\n\nb", 5), ["a", "", "b"]);
  for (const text of wrapWidth("a 👩‍👩‍👧 日本 long-word-here ".repeat(9), 7)) {
    assert.ok(textWidth(text) <= 7, text);
  }
});

Deno.test("lines are cut, padded and sliced by columns", () => {
  const styled = line(span("日本", "bad"), "abc");
  assert.equal(lineWidth(styled), 7);
  assert.equal(lineText(cutLine(styled, 6)), "日本a…");
  assert.equal(lineText(cutLine(styled, 4)), "日…");
  assert.equal(lineText(fitLine(styled, 9)), "日本abc  ");
  assert.equal(lineText(sliceLine(styled, 1, 6)), " 本ab");
  const both = beside([
    { lines: [line("x"), line("y")], width: 3 },
    { lines: [line("日本")], width: 3 },
  ]);
  assert.deepEqual(both.map(lineText), ["x   日…", "y      "]);
});

Deno.test("panel() is as large as it was asked to be", () => {
  const lines = panel([line("日本語 text")], {
    title: "a title that is long",
    columns: 16,
    rows: 4,
  });
  assert.deepEqual(lines.map(lineText), [
    "╭─ a title th…─╮",
    "│ 日本語 text  │",
    "│              │",
    "╰──────────────╯",
  ]);
});

Deno.test("tableLines() leaves out the columns with the highest rank", () => {
  const columns = [
    { title: "name", align: "left" as const },
    { title: "n", align: "right" as const, rank: 2 },
    { title: "more", align: "right" as const, rank: 1 },
  ];
  const cells = [[span("日本"), span("7"), span("x")]];
  const text = (width: number) => {
    const { header, rows } = tableLines(columns, cells, width);
    return [header, ...rows].map((one) => lineText(one).trimEnd());
  };
  assert.deepEqual(text(20), ["name  n  more", "日本  7     x"]);
  assert.deepEqual(text(12), ["name  more", "日本     x"]);
  assert.deepEqual(text(5), ["name", "日本"]);
});

Deno.test("scrollTo() moves no further than it has to", () => {
  const rows = 5, count = 20;
  assert.equal(scrollTo({ at: 3, top: 0, rows, count }), 0);
  assert.equal(scrollTo({ at: 5, top: 0, rows, count }), 1);
  assert.equal(scrollTo({ at: 2, top: 7, rows, count }), 2);
  assert.equal(scrollTo({ at: 19, top: 0, rows, count }), 15);
  assert.equal(scrollTo({ at: 0, top: 9, rows, count: 3 }), 0);
});
