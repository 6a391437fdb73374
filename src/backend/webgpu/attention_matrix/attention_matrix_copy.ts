/**
 * How rows of heads get into workgroup memory as the factors of matrix units:
 * 16 bytes at a time, into registers first, so that those of the next tile can
 * be on their way while a tile is used.
 *
 * @module
 */

import { lines, range } from "../shader/wgsl.ts";
import { HALVES } from "./attention_matrix_rows.ts";

/** Rows that all threads of a workgroup copy. */
export interface RowCopy {
  /** WGSL: declares what is on its way. */
  readonly registers: string;
  /** WGSL: reads the rows that begin with number `begin` of the sequence. */
  take(begin: string): string;
  /** WGSL: writes what was read. */
  readonly put: string;
}

/**
 * Shares rows out among the threads. In scope are the number `first` of the
 * sequence's first row among all, and `eight(i)`, eight numbers of them.
 *
 * @param options.prefix Begins the names of variables.
 * @param options.vectors Of a row, 16 bytes each.
 * @param options.stride From one row of workgroup memory to the next.
 * @param options.parts Of each row, the numbers where they begin, and where
 * the first row of them goes.
 */
export function rowCopy(
  { prefix, rows, vectors, stride, threads, parts, width, T }: {
    prefix: string;
    rows: number;
    vectors: number;
    stride: number;
    threads: number;
    parts: readonly { readonly from: string; readonly to: number }[];
    /** Vectors of a row of all heads. */
    width: number;
    T: number;
  },
): RowCopy {
  const count = rows * vectors;
  const turns = range(Math.ceil(count / threads));
  const all = (line: (turn: number, part: number) => string) =>
    turns.map((turn) => lines(parts.length, (part) => line(turn, part)))
      .join("\n");
  const next = (turn: number, part: number) => `${prefix}${turn}_${part}`;
  const index = (turn: number) => `(lane + ${turn * threads}u)`;
  const row = (turn: number) => `${index(turn)} / ${vectors}u`;
  const within = (turn: number) => `${index(turn)} % ${vectors}u`;
  return {
    registers: all((turn, part) => `  var ${next(turn, part)} = vec4<u32>();`),
    // Behind the end of a sequence, the last row is as good as any.
    take: (begin) =>
      all((turn, part) => {
        const at = `(first + min(${begin} + ${row(turn)}, ${T - 1}u))`;
        const from = `(${parts[part].from}) / ${HALVES}u`;
        return `    ${next(turn, part)} = ` +
          `eight(${at} * ${width}u + ${within(turn)} + ${from});`;
      }),
    put: all((turn, part) => {
      const at = `${row(turn)} * ${stride}u + ${within(turn)}`;
      const put = `tiles[${at} + ${parts[part].to}u] = ${next(turn, part)};`;
      return (turn + 1) * threads <= count
        ? `    ${put}`
        : `    if (${index(turn)} < ${count}u) { ${put} }`;
    }),
  };
}
