/**
 * Attention over a cache, for generation: one new row by parts of the cache,
 * more by tiles.
 *
 * Oracle: ../../reference/attention.ts.
 *
 * @module
 */

import { attendPrompt } from "../attention/attention_prompt.ts";
import { attendToken } from "../attention/attention_token.ts";
import type { Kernels } from "../kernel.ts";

/** Kernel of attention over a cache. */
export const attentionCachedKernels: Kernels<"attentionCached"> = {
  attentionCached: (call, context) =>
    call.attrs.T === 1
      ? attendToken(call, context)
      : attendPrompt(call, context),
};
