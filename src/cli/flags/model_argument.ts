/** The argument of commands that use a trained model. @module */

/** Its help; see run/checkpoints/checkpoint_ref.ts for what it means. */
export const MODEL_ARGUMENT =
  "a run, RUN/best, RUN/500, latest, best, or a checkpoint's path";
