/**
 * The training that a run records: `src/train` itself, or a test's own.
 *
 * @module
 */

import type { TrainEvent } from "../train/events.ts";
import type { TrainOptions } from "../train/loop.ts";
import type { OpenSessionOptions } from "../train/open_session.ts";
import type { Session } from "../train/session.ts";

export type { PrepareProgress } from "../train/open_session.ts";

/** Opens sessions and trains them. */
export interface Engine {
  openSession(options: OpenSessionOptions): Promise<Session>;
  train(session: Session, options: TrainOptions): AsyncGenerator<TrainEvent>;
}
