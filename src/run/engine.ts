/**
 * The training that a run records: `src/train` itself, or a test's own.
 *
 * @module
 */

import type { HearthConfig } from "../config/schema.ts";
import type { TrainEvent } from "../train/events.ts";
import type { TrainOptions } from "../train/loop.ts";
import type { Session, Snapshot } from "../train/session.ts";

/** What is done before training, such as tokenizing. */
export interface PrepareProgress {
  /** What is being done: `tokenizing` … */
  stage: string;
  /** Part that is done, 0 to 1; null if unknown. */
  fraction: number | null;
}

/** How to open a session. */
export interface OpenOptions {
  config: HearthConfig;
  /** Where downloads and tokens are cached. */
  dataDir: string;
  /** Go on from here, in place of new parameters. */
  restore?: Snapshot;
  /** Overrides the configuration's and the snapshot's. */
  totalSteps?: number;
  onPrepare?: (progress: PrepareProgress) => void;
  /** Ends the preparation; the promise then rejects. */
  signal?: AbortSignal;
}

/** Opens sessions and trains them. */
export interface Engine {
  openSession(options: OpenOptions): Promise<Session>;
  train(session: Session, options: TrainOptions): AsyncGenerator<TrainEvent>;
}
