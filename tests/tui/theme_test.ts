import assert from "node:assert/strict";
import { bold, line, span } from "../../src/tui/text/line.ts";
import {
  colorDepth,
  paintLine,
  PALETTE,
  SIXTEEN,
} from "../../src/tui/theme.ts";

/** Red, green and blue, 0 to 1, of a color from 16 on among the 256. */
function rgb(index: number): number[] {
  if (index >= 232) return Array(3).fill((8 + 10 * (index - 232)) / 255);
  const levels = [0, 95, 135, 175, 215, 255];
  const at = index - 16;
  return [at / 36, at / 6, at].map((n) => levels[Math.floor(n) % 6] / 255);
}

/**
 * Contrast on white and on black, by relative luminance:
 * https://www.w3.org/TR/WCAG21/#dfn-contrast-ratio.
 */
function contrastOf(color: number[]): [white: number, black: number] {
  const [r, g, b] = color.map((value) =>
    value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4
  );
  const on = 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
  return [1.05 / on, on / 0.05];
}

Deno.test("PALETTE can be read on white and on black", () => {
  for (const [tone, index] of Object.entries(PALETTE)) {
    const on = contrastOf(rgb(index));
    assert.ok(Math.min(...on) >= 3.8, `${tone}: ${on}`);
  }
});

/** Red to cyan as xterm draws them, and as the console of Linux does. */
const SIXTEEN_LEVELS = [[205, 0], [170, 85]];

Deno.test("SIXTEEN can be read on white and on black, whatever draws it", () => {
  for (const [full, brown] of SIXTEEN_LEVELS) {
    for (const [tone, codes] of Object.entries(SIXTEEN)) {
      if (tone === "dim") continue; // faint: of the terminal's own color
      const code = Number(codes.split(";").at(-1)) - 30;
      // Yellow is brown on the console.
      const levels = code === 3 && brown > 0 ? [full, brown, 0] : [
        ...[code & 1, code & 2, code & 4].map((bit) => bit ? full : 0),
      ];
      const on = contrastOf(levels.map((level) => level / 255));
      // Short words and graphs; and what is read in sentences.
      const least = ["good", "cyan"].includes(tone) ? 1.9 : 2.7;
      assert.ok(Math.min(...on) >= least, `${tone}: ${on}`);
    }
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
    "a\x1b[1;31mb\x1b[0m\x1b[1mc\x1b[0m\x1b[7md\x1b[0m",
  );
  // What is selected is seen without colors, too.
  assert.equal(
    paintLine(line(span("x", "dim"), bold("y", "dim")), "16"),
    "\x1b[2mx\x1b[0m\x1b[1my\x1b[0m",
  );
  assert.equal(paintLine(text, "none"), "ab\x1b[1mc\x1b[0m\x1b[7md\x1b[0m");
});
