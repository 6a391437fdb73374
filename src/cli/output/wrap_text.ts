/**
 * Text broken into lines for a terminal.
 *
 * @module
 */

/**
 * `text` with line breaks between words, so that no line is wider than
 * `columns` unless a single word is. Its own line breaks stay.
 *
 * @param indent Begins every line that is not empty.
 */
export function wrapText(
  text: string,
  { columns, indent }: { columns: number; indent: string },
): string {
  return text.split("\n").flatMap((paragraph) => {
    const lines: string[] = [];
    for (const word of paragraph.split(" ").filter(Boolean)) {
      const last = lines.at(-1);
      if (last !== undefined && last.length + 1 + word.length <= columns) {
        lines[lines.length - 1] = `${last} ${word}`;
      } else {
        lines.push(indent + word);
      }
    }
    return lines.length > 0 ? lines : [""];
  }).join("\n");
}
