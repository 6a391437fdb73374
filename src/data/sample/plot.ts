/**
 * A plot: what happens, beat by beat, each told in one of several ways.
 *
 * Plots are written as text. A line that begins with "- " is one way to tell a
 * beat, and goes on in the lines below it; an empty line ends the beat, and a
 * line "---" begins a paragraph.
 *
 * @module
 */

import { parseTemplate, type Template } from "./sentence.ts";

/** Beats of one plot, in paragraphs. */
export interface Plot {
  name: string;
  /** Paragraphs of beats of ways to tell them. */
  paragraphs: readonly (readonly (readonly Template[])[])[];
}

/** Parses a plot. @throws {SyntaxError} For a line outside of any beat. */
export function parsePlot(name: string, source: string): Plot {
  const paragraphs = source.trim().split(/\n---\n/).map((paragraph) =>
    paragraph.trim().split(/\n\s*\n/).map((beat) => parseBeat(name, beat))
  );
  return { name, paragraphs };
}

function parseBeat(name: string, beat: string): Template[] {
  const ways = beat.split(/^- /m);
  if (ways.shift() !== "") {
    throw new SyntaxError(`Plot "${name}": a beat begins with "- ": ${beat}`);
  }
  return ways.map((way) => parseTemplate(way.trim().replace(/\s*\n\s*/g, " ")));
}
