/**
 * The factors of a matrix product: how their numbers are read, and brought
 * into workgroup memory as tiles, k-major.
 *
 * Every index that does not change from one tile of k to the next is written
 * so that a compiler sees it: WebGPU clamps the indices of workgroup memory,
 * and only what is constant in the loop is clamped outside of it. So a tile is
 * an array of rows, `tile[k][o]`, with k a number in the text. Where four
 * depths are written at once, it is `tile[k % 4][k / 4][o]`, and a row has so
 * many vectors more than needed that neighbours write to other banks.
 *
 * @module
 */

import type { StoredType } from "../dispatch.ts";
import { joined, range } from "../shader/wgsl.ts";

/** A factor: `size` rows or columns of the result, K deep. */
export interface Factor {
  /** The variable in the shader. */
  readonly name: string;
  readonly size: number;
  readonly K: number;
  /** Rows or columns of a tile. */
  readonly tile: number;
  /** Whether neighbours in memory are neighbours in k. */
  readonly alongK: boolean;
  /** Whether it is read four numbers at a time. */
  readonly vector: boolean;
  /** How its numbers are stored. */
  readonly dtype: StoredType;
  /** Whether it is read eight numbers at a time, as they are stored. */
  readonly quads: boolean;
}

/** Where a load begins, and whether it may go beyond the end. */
export interface LoadPlace {
  /** Row or column of the result. */
  readonly o: string;
  readonly k: string;
  /** Whether k may be beyond the end. */
  readonly guardK: boolean;
  /** Whether two bytes a number are read as they are stored: `vec2<u32>`. */
  readonly raw?: boolean;
}

/**
 * Statements for a block of 4 x 4: `let` of four vectors along the size, of
 * depths k to k + 3, named after `prefix`.
 */
export function loadBlock(
  prefix: string,
  factor: Factor,
  place: LoadPlace,
): string {
  const four = range(4);
  if (!factor.alongK) {
    return four.map((i) => {
      const k = i === 0 ? place.k : `${place.k} + ${i}u`;
      return `
    let ${prefix}${i} = ${loadAlongSize(factor, { ...place, k })};`;
    }).join("");
  }
  return four.map((j) => `
    let ${prefix}row${j} = ${loadAlongK(factor, j, place)};`).join("") +
    four.map((i) => `
    let ${prefix}${i} = ${transposed((j) => `${prefix}row${j}`, i)};`).join("");
}

/** How a tile of a factor gets into workgroup memory. */
export interface TileLoad {
  /** Type of the tile in WGSL. */
  readonly type: string;
  /** The vector `o` of depth `k` of `array`, the tile. */
  at(array: string, k: number, o: string): string;
  /** WGSL before the loop: what each thread loads. */
  readonly begin: string;
  /** Variables for what is read before it is put into the tile. */
  readonly registers: readonly string[];
  /** Statements that read the part of this thread at depth `k`. */
  take(k: string): string;
  /** Statements that write it into `array`, the tile. */
  put(array: string): string;
  /** Statements that add it to `sum`, of a factor that is not transposed. */
  addUp(sum: string): string;
}

/**
 * Shares a tile out among the threads: vectors, or where the factor is
 * contiguous in k blocks of 4 x 4, which are transposed on the way.
 *
 * @param options.prefix Begins the names of variables.
 * @param options.first Row or column of the result where the tile begins.
 * @param options.firstLane The thread that has the first part: others than
 * for the other factor, where both have fewer parts than threads.
 */
export function tileLoad(
  factor: Factor,
  { prefix, tileK, threads, first, firstLane = 0 }: {
    prefix: string;
    tileK: number;
    threads: number;
    first: string;
    firstLane?: number;
  },
): TileLoad {
  const { alongK, K } = factor;
  const { type, at, own } = tileLayout(factor, tileK);
  const units = loadUnits(factor, tileK);
  const guardK = K % tileK !== 0;
  const turns = range(Math.ceil(units / threads));
  const guarded = (turn: number, body: string) =>
    (turn + 1) * threads <= units
      ? body
      : `if (${prefix}Unit${turn} < ${units}u) {${body}
    }`;
  const unit = firstLane === 0
    ? "lane"
    : `(lane + ${threads - firstLane}u) % ${threads}u`;
  const begin = turns.map((turn) => {
    const name = `${prefix}Unit${turn}`;
    const { k, o } = own(name);
    return `
  let ${name} = ${unit} + ${turn * threads}u;
  let ${prefix}K${turn} = ${k};
  let ${prefix}O${turn} = ${o};`;
  }).join("");
  const register = (turn: number, j: number) => `${prefix}${turn}_${j}`;
  const perTurn = range(alongK ? 4 : 1);
  return {
    ...{ type, at, begin },
    registers: turns.flatMap((turn) => perTurn.map((j) => register(turn, j))),
    take: (k) =>
      turns.map((turn) =>
        guarded(
          turn,
          perTurn.map((j) => {
            const place = {
              o: `${first} + 4u * ${prefix}O${turn}`,
              k: `${k} + ${prefix}K${turn}`,
              guardK,
            };
            const value = alongK
              ? loadAlongK(factor, j, place)
              : loadAlongSize(factor, place);
            return `
      ${register(turn, j)} = ${value};`;
          }).join(""),
        )
      ).join(""),
    addUp: (sum) =>
      turns.map((turn) =>
        guarded(
          turn,
          `
      ${sum} += ${register(turn, 0)};`,
        )
      ).join(""),
    put: (array) =>
      turns.map((turn) => {
        const at = (i: number) =>
          alongK
            ? `${array}[${i}][${prefix}K${turn} / 4u][${prefix}O${turn}]`
            : `${array}[${prefix}K${turn}][${prefix}O${turn}]`;
        return guarded(
          turn,
          alongK
            ? range(4).map((i) => `
      ${at(i)} = ${transposed((j) => register(turn, j), i)};`).join("")
            : `
      ${at(0)} = ${register(turn, 0)};`,
        );
      }).join(""),
  };
}

/**
 * How a tile lies in workgroup memory, and the depth and place of the `unit`th
 * part that a thread loads.
 */
function tileLayout({ tile, alongK }: Factor, tileK: number): {
  type: string;
  at(array: string, k: number, o: string): string;
  own(unit: string): { k: string; o: string };
} {
  const quarter = tile / 4;
  if (!alongK) {
    return {
      type: `array<array<vec4<f32>, ${quarter}>, ${tileK}>`,
      at: (array, k, o) => `${array}[${k}][${o}]`,
      own: (unit) => ({
        k: `${unit} / ${quarter}u`,
        o: `${unit} % ${quarter}u`,
      }),
    };
  }
  const depths = tileK / 4; // which neighbours read next to each other
  const row = quarter + paddedVectors(tileK);
  return {
    type: `array<array<array<vec4<f32>, ${row}>, ${depths}>, 4>`,
    at: (array, k, o) => `${array}[${k % 4}][${k >> 2}][${o}]`,
    own: (unit) => ({
      k: `4u * (${unit} % ${depths}u)`,
      o: `${unit} / ${depths}u`,
    }),
  };
}

/**
 * How many vectors a row of a transposed tile is longer than needed.
 *
 * Of eight neighbours, which write at once, some have another depth. Rows that
 * are this much apart, of eight vectors that lie in different banks, keep them
 * out of each other's way.
 */
export function paddedVectors(tileK: number): number {
  return Math.max(1, 8 / (tileK / 4));
}

/** What threads take turns in loading: vectors, or blocks of 4 x 4. */
export function loadUnits({ tile, alongK }: Factor, tileK: number): number {
  return alongK ? tile / 4 * tileK / 4 : tile / 4 * tileK;
}

/** Component i of four vectors. */
function transposed(row: (j: number) => string, i: number): string {
  return `vec4<f32>(${joined(4, ", ", (j) => `${row(j)}.${"xyzw"[i]}`)})`;
}

/**
 * Four neighbours along the size, where they are neighbours in memory; eight
 * where the factor is read so.
 *
 * Rows and columns beyond the end repeat the last: they only reach results
 * that are not stored. Depths beyond the end are 0.
 */
export function loadAlongSize(
  { name, size, tile, K, vector, quads }: Factor,
  { o, k, guardK, raw = false }: LoadPlace,
): string {
  const width = quads ? 8 : 4;
  const row = guardK ? `min(${k}, ${K - 1}u)` : `(${k})`;
  const guardSize = size % tile !== 0;
  const first = guardSize ? `min(${o}, ${size - width}u)` : `(${o})`;
  const value = vector
    ? vectorAt(`${row} * ${size / width}u + ${first} / ${width}u`, {
      ...{ name, raw },
    })
    : `vec4<f32>(${
      joined(
        4,
        ", ",
        (j) => `${name}[${row} * ${size}u + min(${o} + ${j}u, ${size - 1}u)]`,
      )
    })`;
  return guardK ? `select(${zero(raw, quads)}, ${value}, ${k} < ${K}u)` : value;
}

/**
 * Four neighbours along k of row `o + j`, where they are so in memory; eight
 * where the factor is read so.
 */
export function loadAlongK(
  { name, size, tile, K, vector, quads }: Factor,
  j: number,
  { o, k, guardK, raw = false }: LoadPlace,
): string {
  const guardSize = size % tile !== 0;
  const row = guardSize ? `min(${o} + ${j}u, ${size - 1}u)` : `(${o} + ${j}u)`;
  if (vector) {
    const width = quads ? 8 : 4;
    const depth = guardK ? `min(${k}, ${K - width}u)` : `(${k})`;
    const value = vectorAt(`${row} * ${K / width}u + ${depth} / ${width}u`, {
      ...{ name, raw },
    });
    return guardK
      ? `select(${zero(raw, quads)}, ${value}, ${k} < ${K}u)`
      : value;
  }
  const numbers = range(4).map((i) => {
    const value = `${name}[${row} * ${K}u + min(${k} + ${i}u, ${K - 1}u)]`;
    return guardK ? `select(0.0f, ${value}, ${k} + ${i}u < ${K}u)` : value;
  });
  return `vec4<f32>(${numbers.join(", ")})`;
}

/** A vector as numbers, or as it is stored; see ../shader/two_byte_access.ts. */
function vectorAt(
  index: string,
  { name, raw }: { name: string; raw: boolean },
): string {
  return raw ? `raw_${name}(${index})` : `${name}[${index}]`;
}

function zero(raw: boolean, quads: boolean): string {
  return quads ? "vec4<u32>()" : raw ? "vec2<u32>()" : "vec4<f32>()";
}
