/**
 * What a terminal shows after `text`: knows the few escapes that Hearth
 * writes. Lines never wrap. Lines at the end that are empty are left out.
 */
export function shown(text: string): string[] {
  const lines: string[] = [""];
  let row = 0, column = 0;
  // deno-lint-ignore no-control-regex -- these are what is looked for
  const parts = /\x1b\[(\d*)([A-Za-z])|[\r\n]|[^\x1b\r\n]+/g;
  for (const [part, count, command] of text.matchAll(parts)) {
    if (part === "\r") column = 0;
    else if (part === "\n") [row, column] = [row + 1, 0];
    else if (command === "A") row = Math.max(0, row - Number(count || 1));
    else if (command === "K") lines[row] = (lines[row] ?? "").slice(0, column);
    else if (command === "J") {
      lines[row] = (lines[row] ?? "").slice(0, column);
      lines.length = row + 1;
    } else if (command === "m") continue;
    else if (command !== undefined) throw new Error(`what is ${part}?`);
    else {
      const line = (lines[row] ?? "").padEnd(column);
      lines[row] = line.slice(0, column) + part +
        line.slice(column + part.length);
      column += part.length;
    }
    lines[row] ??= "";
  }
  while (lines.at(-1) === "") lines.pop();
  return lines;
}
