/**
 * How wide a text is in a terminal: Chinese, Japanese and Korean characters
 * and most emoji take two columns, combining marks none.
 *
 * @module
 */

import stringWidth from "string-width";

/** What stands for the part of a text that was cut off. */
const ELLIPSIS = "…";

/**
 * Signs of one column each that screens are full of: dashes, ellipsis, arrows,
 * frames, blocks, status signs and braille (a test asks string-width, which
 * takes many times as long). No emoji and nothing that joins is among them.
 */
const NARROW = /^[\x20-\x7e·–…•‹›←↑→↓─-╿▀-█■▴▾○◌◍●✓✗❯⏎\u2800-\u28ff]*$/;

const segmenter = new Intl.Segmenter(undefined, { granularity: "grapheme" });

/** Columns that `text`, one line of it, takes. */
export function textWidth(text: string): number {
  return NARROW.test(text) ? text.length : stringWidth(text);
}

/** What a person takes for characters: `👩‍👩‍👧` is one. */
export function graphemes(text: string): string[] {
  if (NARROW.test(text)) return [...text];
  return Array.from(segmenter.segment(text), ({ segment }) => segment);
}

/** As much of the beginning of `text` as fits into `width` columns. */
export function takeWidth(text: string, width: number): string {
  if (NARROW.test(text)) return text.slice(0, Math.max(0, width));
  let taken = "", used = 0;
  for (const one of graphemes(text)) {
    used += textWidth(one);
    if (used > width) break;
    taken += one;
  }
  return taken;
}

/** `text`, or its beginning and an ellipsis, in at most `width` columns. */
export function cutText(text: string, width: number): string {
  if (textWidth(text) <= width) return text;
  return width < 1 ? "" : takeWidth(text, width - 1) + ELLIPSIS;
}

/** `text` in exactly `width` columns, cut or padded. */
export function fitText(
  text: string,
  width: number,
  align: "left" | "right" = "left",
): string {
  const cut = cutText(text, width);
  const pad = " ".repeat(Math.max(0, width - textWidth(cut)));
  return align === "left" ? cut + pad : pad + cut;
}

/**
 * `text` in lines of at most `width` columns, broken between words where that
 * is possible. Its own line breaks stay.
 */
export function wrapWidth(text: string, width: number): string[] {
  return text.split("\n").flatMap((paragraph) => {
    if (textWidth(paragraph) <= width) return [paragraph];
    const lines: string[] = [];
    let line = "";
    for (const word of paragraph.split(/(?<=\s)/)) {
      if (textWidth(line) + textWidth(word.trimEnd()) <= width) {
        line += word;
        continue;
      }
      if (line.trim() !== "") lines.push(line.trimEnd());
      line = word;
      while (textWidth(line.trimEnd()) > width) {
        const head = takeWidth(line, width) || graphemes(line)[0];
        lines.push(head);
        line = line.slice(head.length);
      }
    }
    lines.push(line.trimEnd());
    return lines;
  });
}
