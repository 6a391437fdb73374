/**
 * What training and evaluation read: token windows by position.
 *
 * @module
 */

import type { DatasetIdentity } from "./fingerprint.ts";

/**
 * The target of a position that has none: the loss leaves it out. The same
 * number as in graph/ops.ts, which this layer does not import.
 */
export const IGNORED_TARGET = 0xffffffff;

/** One batch: `ids[i+1]` is `targets[i]` inside each sequence. */
export interface Batch {
  /** Token ids, u32 (batchSize, seqLen). */
  ids: Uint32Array;
  /** Next token ids, same shape; `IGNORED_TARGET` where there is none. */
  targets: Uint32Array;
}

/** How a batch is read; the numbers are the same. */
export interface ReadBatchOptions {
  /**
   * In another thread, for a disk that lets its readers wait: what is in memory
   * is read sooner at once.
   */
  aside?: boolean;
}

/** Batches as a pure function of seed and position. */
export interface Batches {
  /** Tokens on disk. */
  readonly tokens: number;
  /** Whole windows of seqLen + 1 tokens, overlapping by one. */
  readonly windows: number;
  /**
   * Batches of batchSize windows in one epoch; of training batches with
   * fraction, as the batch that ends an epoch also begins the next.
   */
  readonly batchesPerEpoch: number;
  /** Targets of a full batch: batchSize * seqLen. */
  readonly tokensPerBatch: number;
  /**
   * Batch number `cursor` since the start of training, counting on across
   * epochs. Training batches are shuffled anew for every epoch; validation
   * batches are in order and the last is padded with `IGNORED_TARGET`.
   */
  at(cursor: number, options?: ReadBatchOptions): Promise<Batch>;
}

/** Validation text of one source. */
export interface ValSource {
  /** As the user named it. */
  readonly name: string;
  /** Its part in the validation loss; all shares add up to 1. */
  readonly share: number;
  readonly batches: Batches;
  /** UTF-8 bytes per token, for bits per byte. */
  readonly bytesPerToken: number;
}

/** The two sides of a data set, open for reading. */
export interface Dataset {
  readonly train: Batches;
  /** At least one, in the order of the sources. */
  readonly val: readonly ValSource[];
  /** Changes with sources, weights, split and tokenizer. */
  readonly identity: DatasetIdentity;
  close(): void;
}
