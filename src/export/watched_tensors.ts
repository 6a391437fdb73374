/**
 * Tensors that tell when they are read: how far an export or import is, and
 * where it can be ended.
 *
 * @module
 */

import type { DeferredTensor } from "../base/safetensors.ts";

/** Who wants to know, and may end it. */
export interface Watcher {
  /** Called with the share of tensors that were read. */
  onProgress?: (fraction: number) => void;
  /** Ends the reading with its reason, before the next tensor. */
  signal?: AbortSignal;
}

/** `tensors`, for whoever reads them in order. */
export function watchedTensors<T extends DeferredTensor>(
  tensors: readonly T[],
  { signal, onProgress }: Watcher,
): T[] {
  return tensors.map((tensor, i) => ({
    ...tensor,
    read: async () => {
      signal?.throwIfAborted();
      const values = await tensor.read();
      onProgress?.((i + 1) / tensors.length);
      return values;
    },
  }));
}
