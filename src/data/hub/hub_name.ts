/**
 * Names of data sets on the hub: `hf:<repo>[:config][:column][@revision]`.
 *
 * @module
 */

import { EXIT, UserError } from "../../base/errors.ts";

/** A repository on the hub at a revision. */
export interface HubRepo {
  /** `owner/name`, or `name` of the oldest ones. */
  repo: string;
  /** Branch, tag or commit. */
  revision: string;
  /** It holds a model; otherwise a data set. */
  isModel?: true;
}

/** A data set on the hub, as a person names it. */
export interface HubName extends HubRepo {
  /** As it was written. */
  name: string;
  /** What follows the repository: a config, or a column if there is one. */
  config?: string;
  column?: string;
}

const EXAMPLE = "hf:roneneldan/TinyStories";

/** Null for names of something else. @throws {UserError} For half of one. */
export function parseHubName(name: string): HubName | null {
  const rest = /^hf:(?:\/\/)?(?:datasets\/)?(.*)$/s.exec(name)?.[1] ??
    pageOfRepo(name);
  if (rest === undefined) return null;
  const at = rest.lastIndexOf("@");
  const revision = at < 0 ? "main" : rest.slice(at + 1);
  const [repo, config, column, ...more] = (at < 0 ? rest : rest.slice(0, at))
    .split(":");
  const isRepo = /^[\w-][\w.-]*(\/[\w-][\w.-]*)?$/.test(repo);
  if (!isRepo || revision === "" || more.length > 0) {
    throw new UserError(
      `Cannot use dataset "${name}": expected ` +
        "hf:OWNER/NAME[:CONFIG][:COLUMN][@REVISION]",
      { hint: `write it such as ${EXAMPLE}`, exitCode: EXIT.usage },
    );
  }
  return {
    name,
    repo,
    ...config ? { config } : {},
    ...column ? { column } : {},
    revision,
  };
}

/** The repository whose page has this address, or undefined. */
function pageOfRepo(name: string): string | undefined {
  const page =
    /^https:\/\/huggingface\.co\/datasets\/([\w.-]+\/[\w.-]+)\/?(?:\?.*)?$/;
  return page.exec(name)?.[1];
}
