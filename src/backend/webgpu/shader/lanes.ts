/**
 * Which part of a tile each thread of a workgroup has.
 *
 * Where threads that run in step lie in a block of 4 x 8, in place of rows of
 * 16 or 32, they need fewer different vectors of the factors, and a wide read
 * of workgroup memory serves neighbours at once where they read the same:
 * every other thread is in the next row. Source: NVIDIA's CUTLASS,
 * https://developer.nvidia.com/blog/cutlass-linear-algebra-cuda.
 *
 * @module
 */

/** How neighbouring threads lie: in a row, or 32 at a time in a block. */
export type Lanes = "row" | "block";

/** Threads that run in step on most GPUs, and where they lie in a block. */
const BLOCK = 32, BLOCK_ROWS = 4, BLOCK_COLUMNS = 8;

/**
 * WGSL: the column `x` and the row `y` of thread `lane` among those of a
 * workgroup, so many across and down.
 */
export function lanePlace(
  { across, down, lanes }: { across: number; down: number; lanes: Lanes },
): string {
  const fits = across % BLOCK_COLUMNS === 0 && down % BLOCK_ROWS === 0;
  if (lanes === "row" || !fits) {
    return `
  let x = lane % ${across}u;
  let y = lane / ${across}u;`;
  }
  const blocks = across / BLOCK_COLUMNS;
  return `
  let block = lane / ${BLOCK}u;
  let within = lane % ${BLOCK}u;
  let x = block % ${blocks}u * ${BLOCK_COLUMNS}u + within / 2u % ${BLOCK_COLUMNS}u;
  let y = block / ${blocks}u * ${BLOCK_ROWS}u + within / 16u * 2u + within % 2u;`;
}
