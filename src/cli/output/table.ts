/**
 * Aligned columns of text.
 *
 * @module
 */

/** How a column lines up. */
export type Align = "left" | "right";

/**
 * A column's title and alignment. One with a rank may be left out where there
 * is too little room, the highest rank first.
 */
export type Column = readonly [title: string, align: Align, rank?: number];

/**
 * Rows under a header, two spaces between columns, no line ending in spaces.
 *
 * @param columns Titles with alignment; every row has as many cells.
 * @param width No line is longer: columns are left out, then lines are cut.
 */
export function formatTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  width = Infinity,
): string {
  const cells = [columns.map(([title]) => title), ...rows];
  const widths = columns.map((_, i) =>
    Math.max(...cells.map((row) => row[i].length))
  );
  const shown = fittingColumns(columns, { widths, width });
  return cells.map((row) =>
    shown.map((i) =>
      columns[i][1] === "right"
        ? row[i].padStart(widths[i])
        : row[i].padEnd(widths[i])
    ).join(GAP).trimEnd().slice(0, width)
  ).join("\n");
}

const GAP = "  ";

/** The indices of the columns for which there is room. */
function fittingColumns(
  columns: readonly Column[],
  { widths, width }: { widths: readonly number[]; width: number },
): number[] {
  const shown = columns.map((_, i) => i);
  const rank = (i: number) => columns[i][2] ?? -1;
  const needed = () =>
    shown.reduce((sum, i) => sum + widths[i] + GAP.length, -GAP.length);
  while (needed() > width) {
    const first = shown.reduce((a, b) => rank(b) > rank(a) ? b : a);
    if (rank(first) < 0) break;
    shown.splice(shown.indexOf(first), 1);
  }
  return shown;
}

/** `name  value` lines with the values lined up. */
export function formatFields(
  fields: readonly (readonly [name: string, value: string])[],
): string {
  const width = Math.max(...fields.map(([name]) => name.length));
  return fields.map(([name, value]) => `${name.padEnd(width)}  ${value}`)
    .join("\n");
}
