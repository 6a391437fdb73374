/**
 * Named configurations to start from: the files of `configs/`, embedded so
 * that a compiled executable has them too.
 *
 * @module
 */

import demo from "../../configs/demo.yaml" with { type: "text" };
import gpt2Small from "../../configs/gpt2-small.yaml" with { type: "text" };
import medium from "../../configs/medium.yaml" with { type: "text" };
import shakespeareCharCpu from "../../configs/shakespeare-char-cpu.yaml" with {
  type: "text",
};
import shakespeareChar from "../../configs/shakespeare-char.yaml" with {
  type: "text",
};
import small from "../../configs/small.yaml" with { type: "text" };
import tiny from "../../configs/tiny.yaml" with { type: "text" };
import type { ProfileName } from "./profile_names.ts";

/** A configuration by name. */
export interface Profile {
  /** The commented YAML file. */
  readonly text: string;
  /** Its values are for one text only, which the user has to name. */
  readonly needsDataset: boolean;
}

/** All profiles, smallest first. */
export const PROFILES: Readonly<Record<ProfileName, Profile>> = {
  demo: { text: demo, needsDataset: false },
  tiny: { text: tiny, needsDataset: false },
  small: { text: small, needsDataset: false },
  medium: { text: medium, needsDataset: false },
  "gpt2-small": { text: gpt2Small, needsDataset: false },
  "shakespeare-char-cpu": { text: shakespeareCharCpu, needsDataset: true },
  "shakespeare-char": { text: shakespeareChar, needsDataset: true },
};

/** The first sentence of a profile's comment. @param text Of its file. */
export function profileSummary(text: string): string {
  const comment = text.split("\n\n")[0].replaceAll(/\n?# ?/g, " ");
  return /: (.*?)\. /.exec(comment)?.[1] ?? "";
}
