/**
 * What everything that fetches data from elsewhere is told.
 *
 * @module
 */

import type { Env } from "../hub/settings.ts";
import type { NetworkOptions } from "../net/request.ts";
import type { DataProgress } from "../progress.ts";

/** Where downloads go, and who listens. */
export interface FetchOptions {
  /** Downloads are kept in `raw/` below it. */
  dataDir: string;
  /** Stands in for the environment of this process. */
  env?: Env;
  /** Ask for the newest, even if all is here. */
  refresh?: boolean;
  /** How patient to be; for tests. */
  network?: Partial<NetworkOptions>;
  onProgress?: (progress: DataProgress) => void;
  /** One line about something the user may want to know. */
  onNotice?: (message: string) => void;
  signal?: AbortSignal;
}

/** Five tries: seven seconds in all between them. */
const TRIES = 5;
const BACKOFF_MS = 500;

/** How to behave towards the network. */
export function networkOptions(
  { network, onNotice, signal }: FetchOptions,
  { timeoutMs }: { timeoutMs: number },
): NetworkOptions {
  return {
    tries: TRIES,
    backoffMs: BACKOFF_MS,
    timeoutMs,
    onNotice,
    signal,
    ...network,
  };
}
