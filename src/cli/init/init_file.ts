/**
 * The configuration file that `hearth init` writes: a profile with its
 * comments, and the answers put in.
 *
 * @module
 */

import { isScalar, parseDocument, type YAMLMap } from "yaml";
import type { ProfileName } from "../../config/profile_names.ts";
import { PROFILES } from "../../config/profiles.ts";

/** What `hearth init` asks. Left out: as in the profile. */
export interface InitAnswers {
  profile: string;
  dataset: string;
  /** Optimizer steps. */
  steps?: number;
}

/** The text of the file. */
export function initText({ profile, dataset, steps }: InitAnswers): string {
  const { text } = PROFILES[profile as ProfileName];
  const document = parseDocument(text.slice(text.indexOf("\nseed:") + 1));
  const set = (path: string[], value: unknown) => {
    const node = document.getIn(path, true);
    // A new value in the old node keeps the comment behind it.
    if (isScalar(node)) node.value = value;
    else document.setIn(path, value);
  };
  set(["data", "dataset"], dataset);
  if (steps !== undefined) {
    const train = document.get("train") as YAMLMap;
    const length = train.items.find(({ key }) => String(key) === "epochs");
    if (isScalar(length?.key)) length.key.value = "steps";
    set(["train", "steps"], steps);
  }
  return [
    `# Written by hearth init from the profile ${profile}.`,
    "#",
    "#   hearth train --config FILE    train with it",
    "#   hearth train --help           every setting there is, as a flag",
    "",
    document.toString({ lineWidth: 0 }),
  ].join("\n");
}
