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

import { PhiloxStream, STREAM } from "../base/philox.ts";
import { type Batch, type Batches, IGNORED_TARGET } from "./dataset.ts";
import type { TokenFile } from "./token_file.ts";

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
 * Training batches: all windows in a new random order every epoch.
 *
 * The windows left over when batchSize does not divide their number sit out
 * that epoch, each epoch others, so that every batch is full.
 */
export class ShuffledBatches implements Batches {
  readonly tokens: number;
  readonly windows: number;
  readonly batchesPerEpoch: number;
  readonly tokensPerBatch: number;
  #file: TokenFile;
  #shape: BatchShape;
  #seed: number;
  /** The order of one epoch, kept because the next batch needs it too. */
  #order: { epoch: number; windows: Uint32Array } | null = null;

  constructor(file: TokenFile, shape: BatchShape, seed: number) {
    this.#file = file;
    this.#shape = shape;
    this.#seed = seed;
    this.tokens = file.tokens;
    this.windows = countWindows(file.tokens, shape.seqLen);
    this.batchesPerEpoch = Math.floor(this.windows / shape.batchSize);
    this.tokensPerBatch = shape.batchSize * shape.seqLen;
  }

  // async, so that a failure to read is a rejection and never a throw
  // deno-lint-ignore require-await
  async at(cursor: number): Promise<Batch> {
    const { epoch, index } = locate(cursor, this.batchesPerEpoch);
    if (this.#order?.epoch !== epoch) {
      const stream = new PhiloxStream(this.#seed, STREAM.shuffle, epoch);
      this.#order = { epoch, windows: stream.permutation(this.windows) };
    }
    const first = index * this.#shape.batchSize;
    return readBatch(
      this.#file,
      this.#shape,
      this.#order.windows.subarray(first, first + this.#shape.batchSize),
    );
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

  // deno-lint-ignore require-await -- as above
  async at(cursor: number): Promise<Batch> {
    const { index } = locate(cursor, this.batchesPerEpoch);
    const first = index * this.#shape.batchSize;
    const last = Math.min(first + this.#shape.batchSize, this.windows);
    const windows = Uint32Array.from(
      { length: last - first },
      (_, i) => first + i,
    );
    return readBatch(this.#file, this.#shape, windows);
  }
}

function locate(
  cursor: number,
  batchesPerEpoch: number,
): { epoch: number; index: number } {
  if (!Number.isSafeInteger(cursor) || cursor < 0 || batchesPerEpoch === 0) {
    throw new RangeError(
      `Cannot read batch ${cursor} of ${batchesPerEpoch} per epoch`,
    );
  }
  return {
    epoch: Math.floor(cursor / batchesPerEpoch),
    index: cursor % batchesPerEpoch,
  };
}

/** Rows without a window keep id 0 and targets that the loss ignores. */
function readBatch(
  file: TokenFile,
  { batchSize, seqLen }: BatchShape,
  windows: Uint32Array,
): Batch {
  const inputs = new Uint32Array(batchSize * seqLen);
  const targets = new Uint32Array(batchSize * seqLen).fill(IGNORED_TARGET);
  windows.forEach((window, row) => {
    const ids = file.read(window * seqLen, seqLen + 1);
    inputs.set(ids.subarray(0, seqLen), row * seqLen);
    targets.set(ids.subarray(1), row * seqLen);
  });
  return { inputs, targets };
}
