/**
 * A plot: what happens, beat by beat, each told in one of several ways.
 *
 * Plots are written as text. A line that begins with "- " is one way to tell a
 * beat; an empty line ends the beat, and a line "---" the paragraph. A beat
 * under the line "(maybe)" is left out of every second story.
 *
 * @module
 */

import type { PhiloxStream } from "../../base/philox.ts";
import { parseTemplate, type Scene, type Template } from "./sentence.ts";

/** Something that happens in a story. */
interface Beat {
  ways: readonly Template[];
  maybe: boolean;
}

/** Beats of one kind of story, in paragraphs. */
export interface Plot {
  name: string;
  paragraphs: readonly (readonly Beat[])[];
}

const MAYBE = "(maybe)\n";

/** Parses a plot. @throws {SyntaxError} For a line outside of any beat. */
export function parsePlot(name: string, source: string): Plot {
  const paragraphs = source.trim().split("\n\n---\n\n").map((paragraph) =>
    paragraph.split("\n\n").map((beat) => parseBeat(name, beat))
  );
  return { name, paragraphs };
}

function parseBeat(name: string, source: string): Beat {
  const maybe = source.startsWith(MAYBE);
  const lines = (maybe ? source.slice(MAYBE.length) : source).split("\n");
  const ways = lines.map((line) => {
    if (!line.startsWith("- ")) {
      throw new SyntaxError(`Plot "${name}": expected "- " before: ${line}`);
    }
    return parseTemplate(line.slice(2));
  });
  return { ways, maybe };
}

/** The story of `plot` that `rng` draws: paragraphs of sentences. */
export function tellPlot(
  { paragraphs }: Plot,
  scene: Scene,
  rng: PhiloxStream,
): string {
  return paragraphs.map((beats) =>
    beats
      .filter(({ maybe }) => !maybe || rng.below(2) === 0)
      .map(({ ways }) => scene.tell(ways[rng.below(ways.length)]))
      .join(" ").replace(/ {2,}/g, " ").trim()
  ).join("\n");
}
