/**
 * WikiText's rows are lines; here they become its articles again.
 *
 * The data set on the hub has a row per line of the file that its authors
 * published, with lines that are blank (a space) as empty rows. Joined with
 * those blanks put back, the articles are that file, byte for byte. An article
 * begins with a line ` = Title = ` between two blank ones; sections have more
 * equal signs.
 *
 * @module
 */

const TITLE = /^ = (?!= ).+(?<! =) = \n$/;
const BLANK = " \n";

/** The articles of WikiText from its rows, in order. */
export async function* joinArticles(
  rows: AsyncIterable<string>,
): AsyncGenerator<string> {
  let lines: string[] = [];
  let hasTitle = false;
  /** Lines at the end that are yet to be judged: a title, perhaps. */
  let title: string | null = null;
  let before = BLANK;
  for await (const row of rows) {
    const line = row === "" ? BLANK : row;
    if (title !== null) {
      if (line === BLANK) {
        if (hasTitle) {
          yield lines.join("");
          lines = [];
        }
        hasTitle = true;
      }
      lines.push(title);
      title = null;
    }
    if (before === BLANK && TITLE.test(line)) title = line;
    else lines.push(line);
    before = line;
  }
  if (title !== null) lines.push(title);
  if (lines.length > 0) yield lines.join("");
}
