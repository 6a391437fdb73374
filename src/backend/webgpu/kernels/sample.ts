/**
 * Choosing the next token: no host, and nothing sorted. A small vocabulary
 * takes one dispatch; a large one two more, that go over all of it once each.
 *
 * Oracle: ../../reference/sample.ts.
 *
 * @module
 */

import type { Kernels } from "../kernel.ts";
import { drawDispatch } from "../sampling/sample_draw.ts";
import { sampleShape, SHORT_LIST } from "../sampling/sample_shape.ts";
import { shortlistDispatch, surveyDispatch } from "../sampling/sample_wide.ts";

/** The last step of generation. */
export const sampleKernels: Kernels<"sample"> = {
  sample({ in: inputs, out, attrs: { V } }, context) {
    const { logits, settings, choice, used } = inputs;
    const shape = sampleShape(V, context);
    if (V <= SHORT_LIST) {
      const read = { logits, settings, choice };
      return [drawDispatch({ read, write: out }, shape, context)];
    }
    const scores = context.scratch(V);
    const notes = context.scratch(shape.noteCount);
    const hits = context.scratchU32(shape.blocks * shape.block);
    return [
      surveyDispatch({
        read: { logits, settings, choice, used },
        write: { scores, notes },
      }, shape),
      shortlistDispatch({
        read: { settings, choice, scores },
        write: { notes, hits },
      }, shape),
      drawDispatch(
        {
          read: { settings, choice, notes, hits },
          write: { ...out, scores },
        },
        shape,
        context,
      ),
    ];
  },
};
