/**
 * Batches of token windows as a pure function of seed and position.
 *
 * Window w covers the tokens w*seqLen … w*seqLen + seqLen: each token is a
 * target exactly once per epoch, and neighbors share one token, the last
 * target of one and the first input of the next. Tokens after the last whole
 * window are not used.
 *
 * @module
 */

import {
  type Batch,
  type Batches,
  IGNORED_TARGET,
  type ReadBatchOptions,
} from "../dataset.ts";
import type { TokenFile } from "../tokens/token_file.ts";
import type { WindowOrder } from "./window_order.ts";

/** Size of a batch: `batchSize` windows of `seqLen` targets. */
export interface BatchShape {
  batchSize: number;
  seqLen: number;
}

/** Whole windows in `tokens` tokens. */
export function countWindows(tokens: number, seqLen: number): number {
  return Math.max(0, Math.floor((tokens - 1) / seqLen));
}

/** Tokens that `windows` whole windows need. */
export function windowTokens(windows: number, seqLen: number): number {
  return windows * seqLen + 1;
}

/**
 * Training batches: an endless sequence of windows, batchSize at a time.
 *
 * Every batch is full: the one that ends an epoch goes on with the next.
 */
export class ShuffledBatches implements Batches {
  readonly tokens: number;
  readonly windows: number;
  readonly batchesPerEpoch: number;
  readonly tokensPerBatch: number;
  #files: readonly TokenFile[];
  #order: WindowOrder;
  #shape: BatchShape;

  /**
   * @param files One of each source.
   * @param order Of the windows of these sources.
   */
  constructor(
    files: readonly TokenFile[],
    order: WindowOrder,
    shape: BatchShape,
  ) {
    this.#files = files;
    this.#order = order;
    this.#shape = shape;
    this.tokens = files.reduce((sum, { tokens }) => sum + tokens, 0);
    this.windows = order.windows;
    this.batchesPerEpoch = order.windows / shape.batchSize;
    this.tokensPerBatch = shape.batchSize * shape.seqLen;
  }

  // Without `aside` it is done when this returns.
  async at(
    cursor: number,
    { aside = false }: ReadBatchOptions = {},
  ): Promise<Batch> {
    checkCursor(cursor);
    const { batchSize, seqLen } = this.#shape;
    const batch = emptyBatch(this.#shape);
    const places = Array.from(
      { length: batchSize },
      (_, row) => this.#order.at(cursor * batchSize + row),
    );
    for (const [row, { source, window }] of places.entries()) {
      const file = this.#files[source];
      const [start, count] = tokensOf(window, seqLen);
      const ids = aside
        ? await file.readAside(start, count)
        : file.read(start, count);
      setRow(batch, row, ids);
    }
    return batch;
  }
}

/** Validation batches: all windows in order, the last batch padded. */
export class OrderedBatches implements Batches {
  readonly tokens: number;
  readonly windows: number;
  readonly batchesPerEpoch: number;
  readonly tokensPerBatch: number;
  #file: TokenFile;
  #shape: BatchShape;

  constructor(file: TokenFile, shape: BatchShape) {
    this.#file = file;
    this.#shape = shape;
    this.tokens = file.tokens;
    this.windows = countWindows(file.tokens, shape.seqLen);
    this.batchesPerEpoch = Math.ceil(this.windows / shape.batchSize);
    this.tokensPerBatch = shape.batchSize * shape.seqLen;
  }

  // async, so that a failure to read is a rejection and never a throw
  // deno-lint-ignore require-await
  async at(cursor: number): Promise<Batch> {
    checkCursor(cursor);
    const { batchSize } = this.#shape;
    const first = cursor % this.batchesPerEpoch * batchSize;
    // Rows without a window keep id 0 and targets that the loss ignores.
    const batch = emptyBatch(this.#shape);
    for (let row = 0; row < batchSize && first + row < this.windows; row++) {
      const place = tokensOf(first + row, this.#shape.seqLen);
      setRow(batch, row, this.#file.read(...place));
    }
    return batch;
  }
}

function checkCursor(cursor: number): void {
  if (Number.isSafeInteger(cursor) && cursor >= 0) return;
  throw new RangeError(`Cannot read batch ${cursor}`);
}

function emptyBatch({ batchSize, seqLen }: BatchShape): Batch {
  return {
    ids: new Uint32Array(batchSize * seqLen),
    targets: new Uint32Array(batchSize * seqLen).fill(IGNORED_TARGET),
  };
}

/** Where the tokens of a window are. */
function tokensOf(window: number, seqLen: number): [
  start: number,
  count: number,
] {
  return [window * seqLen, seqLen + 1];
}

/** @param tokens One more than a row has. */
function setRow(
  { ids, targets }: Batch,
  row: number,
  tokens: Uint32Array,
): void {
  const seqLen = tokens.length - 1;
  ids.set(tokens.subarray(0, seqLen), row * seqLen);
  targets.set(tokens.subarray(1), row * seqLen);
}
