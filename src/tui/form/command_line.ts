/**
 * A command line as a person would type it.
 *
 * @module
 */

/** Words joined, quoted where a shell would take them apart. */
export function commandLine(words: readonly string[]): string {
  return words.map((word) => quoted(word)).join(" ");
}

function quoted(word: string): string {
  if (/^[\w@%+=:,./~-]+$/.test(word)) return word;
  return Deno.build.os === "windows"
    ? `"${word.replaceAll('"', '\\"')}"`
    : `'${word.replaceAll("'", `'\\''`)}'`;
}
