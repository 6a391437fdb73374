import assert from "node:assert/strict";
import { bold, line, span } from "../../src/tui/text/line.ts";
import { colorDepth, paintLine, PALETTE } from "../../src/tui/theme.ts";

/** Red, green and blue, 0 to 1, of a color from 16 on among the 256. */
function rgb(index: number): number[] {
  if (index >= 232) return Array(3).fill((8 + 10 * (index - 232)) / 255);
  const levels = [0, 95, 135, 175, 215, 255];
  const at = index - 16;
  return [at / 36, at / 6, at].map((n) => levels[Math.floor(n) % 6] / 255);
}

/** Relative luminance, https://www.w3.org/TR/WCAG21/#dfn-relative-luminance. */
function luminance(index: number): number {
  const [r, g, b] = rgb(index).map((value) =>
    value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4
  );
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

Deno.test("PALETTE can be read on white and on black", () => {
  for (const [tone, index] of Object.entries(PALETTE)) {
    const on = luminance(index) + 0.05;
    const [white, black] = [1.05 / on, on / 0.05];
    assert.ok(Math.min(white, black) >= 3.8, `${tone}: ${white}, ${black}`);
  }
});

Deno.test("colorDepth() follows NO_COLOR and what the terminal says", () => {
  const depth = (env: Record<string, string>, wanted = true) =>
    colorDepth((name) => env[name], { wanted });
  assert.equal(depth({ TERM: "xterm-256color" }), "256");
  assert.equal(depth({ TERM: "xterm", COLORTERM: "truecolor" }), "256");
  assert.equal(depth({ TERM: "linux" }), "16");
  assert.equal(depth({ TERM: "dumb", COLORTERM: "truecolor" }), "none");
  assert.equal(depth({ TERM: "xterm-256color", NO_COLOR: "1" }), "none");
  assert.equal(depth({ TERM: "xterm-256color" }, false), "none");
});

Deno.test("paintLine() writes escapes only where there is style", () => {
  const text = line("a", span("b", "bad"), bold("c"), {
    text: "d",
    inverse: true,
  });
  assert.equal(
    paintLine(text, "256"),
    "a\x1b[38;5;160mb\x1b[0m\x1b[1mc\x1b[0m\x1b[7md\x1b[0m",
  );
  assert.equal(
    paintLine(text, "16"),
    "a\x1b[31mb\x1b[0m\x1b[1mc\x1b[0m\x1b[7md\x1b[0m",
  );
  // What is selected is seen without colors, too.
  assert.equal(paintLine(text, "none"), "ab\x1b[1mc\x1b[0m\x1b[7md\x1b[0m");
});
