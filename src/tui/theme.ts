/**
 * Colors, as escapes.
 *
 * Nobody tells whether a terminal is light or dark, so every color has about
 * the same contrast on white and on black, 3.8 to 1 or more (a test computes
 * it). Terminals with 16 colors have their own idea of them; see below.
 *
 * @module
 */

import type { Line, Tone } from "./text/line.ts";

/** How many colors a terminal has; none where a person wants none. */
export type ColorDepth = "none" | "16" | "256";

/** Numbers in the palette of 256 colors; see the module. */
export const PALETTE: Readonly<Record<Exclude<Tone, "plain">, number>> = {
  dim: 243,
  accent: 32,
  good: 28,
  warn: 130,
  bad: 160,
  violet: 133,
  cyan: 30,
};

/**
 * Parameters of escapes. Of the 16 colors, what is to be read has those that
 * are seen on white and on black, as xterm and the console of Linux draw them
 * (a test computes it): yellow and cyan are lost on white, blue on black. Gray
 * is the background itself in some schemes, so `dim` is faint in place of it.
 */
export const SIXTEEN: Readonly<
  Record<Exclude<Tone, "plain">, string>
> = {
  dim: "2",
  accent: "35",
  good: "32",
  warn: "31",
  bad: "1;31",
  violet: "35",
  cyan: "36",
};

/** What the environment says of colors. */
export function colorDepth(
  env: (name: string) => string | undefined,
  { wanted }: { wanted: boolean },
): ColorDepth {
  const term = env("TERM") ?? "";
  if (!wanted || env("NO_COLOR") !== undefined || term === "dumb") {
    return "none";
  }
  const many = /256|direct|kitty|alacritty|ghostty|wezterm/.test(term) ||
    env("COLORTERM") !== undefined || env("WT_SESSION") !== undefined;
  return many ? "256" : "16";
}

/** The line with escapes, ending in the terminal's own style. */
export function paintLine(line: Line, depth: ColorDepth): string {
  return line.map(({ text, tone = "plain", bold, inverse }) => {
    const codes: (number | string)[] = [];
    if (bold) codes.push(1);
    if (inverse) codes.push(7);
    if (tone !== "plain") {
      if (depth === "256") codes.push(`38;5;${PALETTE[tone]}`);
      // What is bold is not faint: some terminals know only one of them.
      if (depth === "16" && !(bold && tone === "dim")) {
        codes.push(SIXTEEN[tone]);
      }
    }
    if (codes.length === 0 || text === "") return text;
    return `\x1b[${codes.join(";")}m${text}\x1b[0m`;
  }).join("");
}
