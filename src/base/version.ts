/**
 * The version of Hearth, kept in one place, `deno.json`, and what this very
 * program was built from.
 *
 * @module
 */

import project from "../../deno.json" with { type: "json" };

/** Such as `0.1.0`. */
export const VERSION: string = project.version;

/** scripts/bundle.ts puts the commit in place of this. */
const COMMIT_MARK = "@commit@";

/** The commit that a bundle was made of; null when run from sources. */
export const BUILT_COMMIT: string | null = COMMIT_MARK.startsWith("@")
  ? null
  : COMMIT_MARK;

/** Such as `0.1.0 (5662eec, Deno 2.9.6)`, as bug reports want it. */
export const FULL_VERSION: string = `${VERSION} (${
  BUILT_COMMIT ?? "from sources"
}, Deno ${Deno.version.deno})`;
