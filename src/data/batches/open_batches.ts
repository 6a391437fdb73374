/**
 * Opens the batches of prepared tokens.
 *
 * @module
 */

import type { Dataset, ValSource } from "../dataset.ts";
import type { DatasetIdentity } from "../fingerprint.ts";
import { type Prepared, preparedPaths } from "../tokens/prepared_tokens.ts";
import { TokenFile } from "../tokens/token_file.ts";
import { MixedOrder, WholeOrder } from "./window_order.ts";
import {
  type BatchShape,
  countWindows,
  OrderedBatches,
  ShuffledBatches,
} from "./windows.ts";

/** What to make of the tokens. */
export interface OpenBatchesOptions extends BatchShape {
  seed: number;
  /** Shares of the training sources in a mix; null: all are read whole. */
  weights: readonly number[] | null;
  identity: DatasetIdentity;
  /** Of the tokenizer: all ids are below it. */
  vocabSize: number;
}

/**
 * @param sources The prepared sources of each side; the same where a part of
 * each source is for validation.
 */
export function openBatches(
  sources: { train: readonly Prepared[]; val: readonly Prepared[] },
  { seed, weights, identity, vocabSize, ...shape }: OpenBatchesOptions,
): Dataset {
  using opened = new DisposableStack();
  const train = sources.train.map((one) =>
    opened.adopt(
      openFile(one, { side: "train", vocabSize }),
      (file) => file.close(),
    )
  );
  const windows = train.map(({ tokens }) => countWindows(tokens, shape.seqLen));
  const order = weights === null
    ? new WholeOrder(windows, seed)
    : new MixedOrder(windows, weights, seed);

  // Sources that are too short for a window cannot be validated on.
  const long = sources.val.map((one, i) => ({ one, weight: weights?.[i] }))
    .filter(({ one }) => countWindows(one.header.val.tokens, shape.seqLen) > 0);
  // Validation text of its own has no weights.
  const isSplit = sources.val === sources.train;
  const weightOf = ({ one, weight }: typeof long[number]) =>
    isSplit && weight !== undefined ? weight : one.header.val.tokens;
  const sum = long.reduce((sum, source) => sum + weightOf(source), 0);
  const val = long.map((source): ValSource => {
    const { one, one: { header: { source: name, val } } } = source;
    const file = opened.adopt(
      openFile(one, { side: "val", vocabSize }),
      (file) => file.close(),
    );
    return {
      name,
      share: weightOf(source) / sum,
      batches: new OrderedBatches(file, shape),
      bytesPerToken: val.bytes / val.tokens,
    };
  });
  const files = opened.move();
  return {
    train: new ShuffledBatches(train, order, shape),
    val,
    identity,
    close: () => files.dispose(),
  };
}

function openFile(
  { directory, header }: Prepared,
  { side, vocabSize }: { side: "train" | "val"; vocabSize: number },
): TokenFile {
  const { tokens } = header[side];
  return new TokenFile(preparedPaths(directory)[side], {
    tokens,
    dtype: header.dtype,
    vocabSize,
  });
}
