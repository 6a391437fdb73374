/**
 * A terminal's screen as a picture: text with escapes in, SVG out.
 *
 * Knows the escapes that the dashboard writes: bold, inverse, and colors out
 * of 256. Every run of one style is stretched to its columns, so that frames
 * and graphs meet whatever font the reader has.
 *
 * @module
 */

import stringWidth from "string-width";

/** Size of a character, in pixels. */
const CELL = { width: 8.4, height: 16 };
const MARGIN = 14;
const INK = "#d5d8df";
const PAPER = "#14161b";

/** How a run of characters looks. */
interface Style {
  bold: boolean;
  inverse: boolean;
  color: string | null;
}

const PLAIN: Style = { bold: false, inverse: false, color: null };

/** The picture of `lines`, each at most `columns` wide. */
export function terminalSvg(
  lines: readonly string[],
  { columns, title }: { columns: number; title: string },
): string {
  const width = Math.ceil(columns * CELL.width) + 2 * MARGIN;
  const height = lines.length * CELL.height + 2 * MARGIN;
  const body = lines.flatMap((line, row) => rowElements(line, row));
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" ` +
    `width="${width}" height="${height}" role="img" aria-label="${title}">`,
    `<title>${title}</title>`,
    `<rect width="100%" height="100%" rx="8" fill="${PAPER}"/>`,
    `<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="14">`,
    ...body,
    "</g>",
    "</svg>",
    "",
  ].join("\n");
}

function rowElements(line: string, row: number): string[] {
  const elements: string[] = [];
  let column = 0;
  for (const { text, style } of runsOf(line)) {
    const start = column;
    column += stringWidth(text);
    const y = MARGIN + row * CELL.height;
    const { bold, inverse } = style;
    const color = style.color ?? INK;
    if (inverse) {
      elements.push(
        `<rect x="${xOf(start)}" y="${y}" ` +
          `width="${((column - start) * CELL.width).toFixed(1)}" ` +
          `height="${CELL.height}" fill="${color}"/>`,
      );
    }
    const inner = text.trim();
    if (inner === "") continue;
    // Spaces at the ends would be left out, and the rest stretched.
    const indent = stringWidth(text) - stringWidth(text.trimStart());
    const from = start + indent;
    elements.push(
      `<text x="${xOf(from)}" y="${y + 12}" ` +
        `textLength="${(stringWidth(inner) * CELL.width).toFixed(1)}" ` +
        `lengthAdjust="spacingAndGlyphs" fill="${inverse ? PAPER : color}"` +
        `${bold ? ' font-weight="bold"' : ""}>` +
        `${escaped(inner).replaceAll(" ", "\u00a0")}</text>`,
    );
  }
  return elements;
}

function xOf(column: number): string {
  return (MARGIN + column * CELL.width).toFixed(1);
}

/** Pieces of one style. */
function* runsOf(line: string): Generator<{ text: string; style: Style }> {
  let style = PLAIN;
  // deno-lint-ignore no-control-regex -- escapes are what is looked for
  for (const part of line.split(/(\x1b\[[\d;]*m)/)) {
    // deno-lint-ignore no-control-regex -- as above
    const codes = /^\x1b\[([\d;]*)m$/.exec(part)?.[1];
    if (codes !== undefined) {
      style = styled(style, codes.split(";").map(Number));
    } else if (part !== "") yield { text: part, style };
  }
}

function styled(before: Style, codes: number[]): Style {
  const style = { ...before };
  for (let i = 0; i < codes.length; i++) {
    const code = codes[i];
    if (code === 0) Object.assign(style, PLAIN);
    else if (code === 1) style.bold = true;
    else if (code === 22) style.bold = false;
    else if (code === 7) style.inverse = true;
    else if (code === 27) style.inverse = false;
    else if (code === 39) style.color = null;
    else if (code === 38 && codes[i + 1] === 5) {
      style.color = xtermColor(codes[i + 2]);
      i += 2;
    }
  }
  return style;
}

/** A color out of 256, a little lighter: the paper is dark. */
function xtermColor(index: number): string {
  const levels = [0, 95, 135, 175, 215, 255];
  const at = index - 16;
  const rgb = index >= 232
    ? Array(3).fill(8 + 10 * (index - 232))
    : [at / 36, at / 6, at].map((n) => levels[Math.floor(n) % 6]);
  const lighter = rgb.map((value) => Math.round(value + (255 - value) * 0.22));
  return `#${lighter.map((n) => n.toString(16).padStart(2, "0")).join("")}`;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;");
}
