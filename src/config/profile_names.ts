/**
 * Which profiles there are: apart from the schema, so that the command line
 * can name them without loading it.
 *
 * @module
 */

/** Names of the files in `configs/`. */
export const PROFILE_NAMES = [
  "demo",
  "tiny",
  "small",
  "medium",
  "gpt2-small",
  "shakespeare-char-cpu",
  "shakespeare-char",
] as const;

/** The name of a profile. */
export type ProfileName = typeof PROFILE_NAMES[number];
