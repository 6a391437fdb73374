/**
 * How a factor gets into workgroup memory as a tile that matrix units load
 * from: in two bytes a number, rows as they lie in device memory.
 *
 * Workgroup memory is an array of quads, of four words: 16 bytes are what a
 * thread reads, writes and loads at most at once, and what units want rows to
 * begin at. Numbers that are stored in another way than the unit takes are
 * rounded between.
 *
 * @module
 */

import {
  type Factor,
  loadAlongK,
  loadAlongSize,
  type LoadPlace,
} from "../gemm/gemm_factor.ts";
import type { MatrixTile } from "../gemm/gemm_variant.ts";
import { f32, range } from "../shader/wgsl.ts";

/** Bytes of a quad, and numbers of two bytes in it. */
export const QUAD_BYTES = 16, EIGHT = 8;

/**
 * Rows are so many quads longer than needed that eight of them, which a unit
 * loads at once, begin in different banks.
 */
const PAD = 1;

/** How a tile lies in workgroup memory, in quads. */
export interface TileRows {
  /** Of numbers, in a row. */
  readonly quads: number;
  readonly count: number;
  /** From one row to the next. */
  readonly stride: number;
  /** Of all rows. */
  readonly size: number;
}

/** Rows of a tile are those of the factor in memory. */
export function rowsOf(
  { tile, alongK }: Pick<Factor, "tile" | "alongK">,
  tileK: number,
): TileRows {
  const [length, count] = alongK ? [tileK, tile] : [tile, tileK];
  const quads = length / EIGHT, stride = quads + PAD;
  return { quads, count, stride, size: count * stride };
}

/** A factor's tile: how it gets into workgroup memory. */
export interface MatrixLoad {
  readonly rows: TileRows;
  readonly alongK: boolean;
  /** WGSL before the loop: what each thread loads. */
  readonly begin: string;
  /** Variables for what is read before it is put into the tile. */
  readonly registers: string;
  /** Statements that forget what was read. */
  readonly clear: string;
  /** Statements that read the part of this thread at depth `k`. */
  take(k: string): string;
  /** Statements that write it into the tile that begins at `first`. */
  put(first: string): string;
  /**
   * Statements that add it to two sums of four columns, of a factor that is
   * not transposed.
   */
  addUp(sums: readonly [low: string, high: string]): string;
}

/**
 * Shares a tile out among the threads, quad by quad.
 *
 * @param options.scale What numbers are multiplied by while they are rounded.
 * WGSL has `packed(vec4<f32>)`, and where columns are summed `unpacked`.
 */
export function matrixLoad(
  factor: Factor,
  { variant, threads, prefix, scale }: {
    variant: MatrixTile;
    threads: number;
    prefix: "a" | "b";
    scale: number;
  },
): MatrixLoad {
  const { tileK, unit: { scalar } } = variant;
  const { alongK, K, dtype, quads: isWhole } = factor;
  const rows = rowsOf(factor, tileK);
  const count = rows.count * rows.quads;
  // What is stored as the unit takes it needs no rounding.
  const raw = dtype === scalar && scale === 1;
  const turns = range(Math.ceil(count / threads));
  const first = prefix === "a" ? "fromM" : "fromN";
  const all = (line: (turn: number) => string) =>
    turns.map((turn) =>
      (turn + 1) * threads <= count ? line(turn) : `
    if (lane < ${count - turn * threads}u) {${line(turn)}
    }`
    ).join("");
  const { begin, rowOf, quadOf } = shares({ prefix, rows, threads });
  const half = raw ? "vec2<u32>" : "vec4<f32>";
  const numbers = (name: string) => raw ? `unpacked(${name})` : name;
  const words = (name: string) =>
    raw ? name : `packed(${scale === 1 ? name : `${name} * ${f32(scale)}`})`;
  const whole = (turn: number) => `${prefix}Next${turn}`;
  const low = (turn: number) => `${prefix}Low${turn}`;
  const high = (turn: number) => `${prefix}High${turn}`;
  const variables = turns.flatMap((turn) =>
    isWhole
      ? [[whole(turn), "vec4<u32>"]]
      : [[low(turn), half], [high(turn), half]]
  );
  return {
    rows,
    alongK,
    begin: begin(turns),
    registers: variables.map(([name, type]) => `
  var ${name} = ${type}();`).join(""),
    clear: variables.map(([name, type]) => `
      ${name} = ${type}();`).join(""),
    take: (k) => {
      const read = (guardK: boolean) =>
        all((turn) => {
          const at = (behind: number) =>
            numbersAt(factor, {
              ...{ first, row: rowOf(turn), quad: quadOf(turn), behind },
              ...{ k, guardK, raw },
            });
          return isWhole
            ? `
      ${whole(turn)} = ${at(0)};`
            : `
      ${low(turn)} = ${at(0)};
      ${high(turn)} = ${at(4)};`;
        });
      // Only the last tile ends behind the factor: of the others, a place
      // is the same so far apart from one to the next.
      return K % tileK === 0 ? read(false) : `
    if (${k} + ${tileK}u <= ${K}u) {${read(false)}
    } else {${read(true)}
    }`;
    },
    put: (from) =>
      all((turn) => `
    tiles[${from} + (${rowOf(turn)}) * ${rows.stride}u + ${quadOf(turn)}] = ${
        isWhole
          ? whole(turn)
          : `vec4<u32>(${words(low(turn))}, ${words(high(turn))})`
      };`),
    addUp: ([lowSum, highSum]) =>
      all((turn) => {
        const [ofLow, ofHigh] = isWhole
          ? [`${whole(turn)}.xy`, `${whole(turn)}.zw`]
          : [low(turn), high(turn)];
        return `
      ${lowSum} += ${numbers(ofLow)};
      ${highSum} += ${numbers(ofHigh)};`;
      }),
  };
}

/**
 * The numbers of a quad of a row of the tile that begins at `first`, a depth
 * `k`: four of them, `behind` its begin, or all eight.
 */
function numbersAt(
  factor: Factor,
  { first, row, quad, behind, k, guardK, raw }:
    & Record<"first" | "row" | "quad", string>
    & { behind: number }
    & Omit<LoadPlace, "o">,
): string {
  const within = `${EIGHT}u * ${quad}` + (behind === 0 ? "" : ` + ${behind}u`);
  return factor.alongK
    ? loadAlongK(factor, 0, {
      ...{ o: `${first} + ${row}`, k: `${k} + ${within}`, guardK, raw },
    })
    : loadAlongSize(factor, {
      ...{ o: `${first} + ${within}`, k: `${k} + ${row}`, guardK, raw },
    });
}

/** Which quad of which row a thread has at each of its turns. */
function shares(
  { prefix, rows: { quads }, threads }: {
    prefix: string;
    rows: TileRows;
    threads: number;
  },
) {
  const name = (what: string, turn: number) => `${prefix}${what}${turn}`;
  const declare = (turn: number) => {
    const unit = turn === 0 ? "lane" : `(lane + ${turn * threads}u)`;
    return `
  let ${name("Row", turn)} = ${spread(`${unit} / ${quads}u`, quads)};
  let ${name("In", turn)} = ${unit} % ${quads}u;`;
  };
  // Where all turns have the same quad of rows that are equally far apart, a
  // compiler sees it.
  const apart = threads / quads;
  const isEven = apart % EIGHT === 0;
  return {
    begin: (turns: readonly number[]) =>
      isEven ? declare(0) : turns.map(declare).join(""),
    rowOf: (turn: number) =>
      !isEven
        ? name("Row", turn)
        : name("Row", 0) + (turn === 0 ? "" : ` + ${turn * apart}u`),
    quadOf: (turn: number) => name("In", isEven ? 0 : turn),
  };
}

/**
 * The row that is the `row`th to be shared out: eight threads, which write at
 * once, have all banks if rows of less than eight quads are as many rows apart
 * as they have quads.
 */
function spread(row: string, quads: number): string {
  const together = EIGHT / quads;
  if (together <= 1 || !Number.isInteger(together)) return row;
  return `${row} / ${EIGHT}u * ${EIGHT}u + ${row} % ${together}u * ${quads}u` +
    ` + ${row} % ${EIGHT}u / ${together}u`;
}
