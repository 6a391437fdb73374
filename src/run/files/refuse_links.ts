/**
 * Runs that came in an archive may hold links, and what is written to a link
 * is written to where it leads, out of the root.
 *
 * @module
 */

import { join } from "node:path";
import { EXIT, UserError } from "../../base/errors.ts";
import { unlessGone } from "../../base/unless_gone.ts";

/**
 * Looks for links in the directory of a run, before anything in it is written.
 *
 * @throws {UserError} If there is one.
 */
export async function refuseLinks(dir: string): Promise<void> {
  const entries = await unlessGone(Array.fromAsync(Deno.readDir(dir))) ?? [];
  const link = entries.find(({ isSymlink }) => isSymlink);
  if (link === undefined) return;
  throw new UserError(
    `Cannot write to "${join(dir, link.name)}": it is a link`,
    {
      hint: "put a copy of the file in its place, or remove it",
      exitCode: EXIT.usage,
    },
  );
}
