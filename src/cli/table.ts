/**
 * Aligned columns of text.
 *
 * @module
 */

/** How a column lines up. */
export type Align = "left" | "right";

/**
 * Rows under a header, two spaces between columns, no line ending in spaces.
 *
 * @param columns Titles with alignment; every row has as many cells.
 */
export function formatTable(
  columns: readonly (readonly [title: string, align: Align])[],
  rows: readonly (readonly string[])[],
): string {
  const widths = columns.map(([title], i) =>
    Math.max(title.length, ...rows.map((row) => row[i].length))
  );
  const line = (cells: readonly string[]) =>
    cells.map((cell, i) =>
      columns[i][1] === "right"
        ? cell.padStart(widths[i])
        : cell.padEnd(widths[i])
    ).join("  ").trimEnd();
  return [line(columns.map(([title]) => title)), ...rows.map(line)].join("\n");
}

/** `name  value` lines with the values lined up. */
export function formatFields(
  fields: readonly (readonly [name: string, value: string])[],
): string {
  const width = Math.max(...fields.map(([name]) => name.length));
  return fields.map(([name, value]) => `${name.padEnd(width)}  ${value}`)
    .join("\n");
}
