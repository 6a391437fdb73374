/**
 * How rows get into workgroup memory as the factors of matrix units: into
 * registers first, so that those of the next tile can be on their way while a
 * tile is used.
 *
 * @module
 */

import { range } from "../shader/wgsl.ts";

/** Rows that all threads of a workgroup copy. */
export interface RowCopy {
  /** WGSL: declares what is on its way. */
  readonly registers: string;
  /** WGSL: reads the part of this thread. */
  readonly take: string;
  /** WGSL: writes what was read. */
  readonly put: string;
}

/** A vector of a thread: number `within` of those of row `row`, as WGSL. */
export interface RowVector {
  readonly row: string;
  readonly within: string;
}

/** What is copied of each row. */
export interface CopiedRows {
  /** The variable of a thread's vector of number `turn`. */
  variable(turn: number): string;
  /** WGSL: the vector. */
  read(vector: RowVector): string;
  /** WGSL statements that write it. */
  write(vector: RowVector, value: string): readonly string[];
}

/**
 * Shares vectors of rows out among the threads.
 *
 * @param options.vectors Of a row.
 * @param options.type Of a vector, in WGSL.
 * @param options.parts All of them are copied side by side.
 * @param options.canReadBehind Whether `read` may be asked for rows behind the
 * last one; else threads that have none do not read.
 */
export function rowCopy(
  { rows, vectors, threads, type, parts, canReadBehind = false }: {
    rows: number;
    vectors: number;
    threads: number;
    type: string;
    parts: readonly CopiedRows[];
    canReadBehind?: boolean;
  },
): RowCopy {
  const count = rows * vectors;
  const each = (
    line: (part: CopiedRows, turn: number, vector: RowVector) => string,
    { isGuarded }: { isGuarded: boolean },
  ) =>
    range(Math.ceil(count / threads)).flatMap((turn) => {
      const index = `(lane + ${turn * threads}u)`;
      const row = `${index} / ${vectors}u`, within = `${index} % ${vectors}u`;
      const isFull = (turn + 1) * threads <= count;
      return parts.map((part) => {
        const text = line(part, turn, { row, within });
        return isFull || !isGuarded ? text : `
    if (${index} < ${count}u) {${text}
    }`;
      });
    }).join("");
  return {
    registers: each((part, turn) => `
  var ${part.variable(turn)} = ${type}();`, { isGuarded: false }),
    take: each((part, turn, vector) => `
    ${part.variable(turn)} = ${part.read(vector)};`, {
      isGuarded: !canReadBehind,
    }),
    put: each(
      (part, turn, vector) =>
        part.write(vector, part.variable(turn)).map((statement) => `
    ${statement}`).join(""),
      { isGuarded: true },
    ),
  };
}
