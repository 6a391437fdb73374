import type { Backend } from "../../src/backend/backend.ts";
import { openReferenceBackend } from "../../src/backend/reference/backend.ts";
import { philox, seedKey } from "../../src/base/philox.ts";
import type { HearthConfig } from "../../src/config/hearth_config.ts";
import { type ConfigInput, configSchema } from "../../src/config/schema.ts";
import type { Batch, Batches, Dataset } from "../../src/data/dataset.ts";
import { IGNORED_TARGET } from "../../src/graph/ops.ts";
import type { Tokenizer } from "../../src/tokenizer/tokenizer.ts";
import {
  assembleSession,
  type SessionParts,
} from "../../src/train/assemble_session.ts";
import type { TrainEvent } from "../../src/train/events.ts";
import { train, type TrainOptions } from "../../src/train/loop.ts";
import type { Session } from "../../src/train/session.ts";

/** Vocabulary of {@linkcode fakeTokenizer}. */
export const V = 11;

/** A config of a model with 1 layer and C = 8, two sequences of 6 tokens. */
export function tinyConfig(
  { model, train, checkpoint, ...rest }: ConfigInput = {},
): HearthConfig {
  return configSchema.parse({
    model: { nLayer: 1, nHead: 2, nEmbd: 8, seqLen: 6, ...model },
    train: {
      batchSize: 2,
      warmupSteps: 2,
      lr: 1e-2,
      logEvery: 1,
      evalEvery: 0,
      ...train,
    },
    checkpoint: { every: 0, best: false, ...checkpoint },
    ...rest,
  });
}

/** Ids 0 … V-1 that stand for nothing. */
export function fakeTokenizer(): Tokenizer {
  return {
    type: "byte",
    vocabSize: V,
    endOfText: null,
    json: "{}",
    fingerprint: "tokenizer",
    encode: () => new Uint32Array(),
    decode: () => "",
  };
}

/**
 * Windows in which each id follows from the one before, with one in four
 * replaced by chance: something to learn, but never completely.
 */
export function fakeDataset(
  { model, train }: HearthConfig,
  { trainBatches = 5, valBatches = 2, validInLast = train.batchSize } = {},
): Dataset & { reads: number[]; closed: boolean } {
  const shape = { B: train.batchSize, T: model.seqLen };
  const batches = (side: number, count: number, valid: number): Batches => ({
    tokens: count * shape.B * shape.T + 1,
    windows: (count - 1) * shape.B + valid,
    batchesPerEpoch: count,
    tokensPerBatch: shape.B * shape.T,
    at(cursor) {
      if (side === 0) dataset.reads.push(cursor);
      const rows = cursor % count === count - 1 ? valid : shape.B;
      return Promise.resolve(fakeBatch({ ...shape, rows, side, cursor }));
    },
  });
  const dataset = {
    train: batches(0, trainBatches, shape.B),
    val: [{
      name: "fake",
      share: 1,
      batches: batches(1, valBatches, validInLast),
      bytesPerToken: 2,
    }],
    identity: { fingerprint: "dataset" },
    reads: [] as number[],
    closed: false,
    close() {
      dataset.closed = true;
    },
  };
  return dataset;
}

function fakeBatch(
  { B, T, rows, side, cursor }: {
    B: number;
    T: number;
    rows: number;
    side: number;
    cursor: number;
  },
): Batch {
  const ids = new Uint32Array(B * T);
  const targets = new Uint32Array(B * T).fill(IGNORED_TARGET);
  for (let row = 0; row < rows; row++) {
    let id = 0;
    for (let t = 0; t <= T; t++) {
      const [chance, word] = philox([t, row, cursor, side], seedKey(99));
      id = t === 0 || chance % 4 === 0 ? word % V : (3 * id + 1) % V;
      if (t < T) ids[row * T + t] = id;
      if (t > 0) targets[row * T + t - 1] = id;
    }
  }
  return { ids, targets };
}

/** A session over fakes, on the reference backend unless told otherwise. */
export async function openTestSession(
  parts: Partial<SessionParts> = {},
): Promise<Session> {
  const config = parts.config ?? tinyConfig();
  return await assembleSession({
    dataset: fakeDataset(config),
    tokenizer: fakeTokenizer(),
    backend: openReferenceBackend() satisfies Backend,
    ...parts,
    config,
  });
}

/** All events of a run. */
export async function collect(
  session: Session,
  options?: TrainOptions,
): Promise<TrainEvent[]> {
  return await Array.fromAsync(train(session, options));
}

/** The events of one kind. */
export function only<K extends TrainEvent["kind"]>(
  events: readonly TrainEvent[],
  kind: K,
): Extract<TrainEvent, { kind: K }>[] {
  return events.filter((event) => event.kind === kind) as Extract<
    TrainEvent,
    { kind: K }
  >[];
}
