/**
 * Runs that came in an archive may hold links, and what is written to a link
 * is written to where it leads, out of the root.
 *
 * @module
 */

import { join } from "node:path";
import { EXIT, UserError } from "../../base/errors.ts";
import { unlessGone } from "../../base/unless_gone.ts";
import { explainingIo } from "./explaining_io.ts";

/**
 * Looks for links in the directory of a run or of its checkpoints, before
 * anything in it is written. One that is not there yet has none.
 *
 * @throws {UserError} If there is one, the directory itself is one, or it cannot
 * be looked into.
 */
export function refuseLinks(dir: string): Promise<void> {
  return explainingIo(dir, async () => {
    if ((await unlessGone(Deno.lstat(dir)))?.isSymlink) throw refusal(dir);
    const entries = await unlessGone(Array.fromAsync(Deno.readDir(dir))) ?? [];
    const link = entries.find(({ isSymlink }) => isSymlink);
    if (link !== undefined) throw refusal(join(dir, link.name));
  });
}

function refusal(path: string): UserError {
  return new UserError(
    `Cannot write to "${path}": it is a link`,
    {
      hint: "put a copy of what it means in its place, or remove it",
      exitCode: EXIT.usage,
    },
  );
}
