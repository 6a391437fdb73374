/**
 * Runs that came in an archive may hold links, and what is written to a link
 * is written to where it leads, out of the root. Who writes to a pipe waits
 * for somebody to read it.
 *
 * @module
 */

import { join } from "node:path";
import { EXIT, UserError } from "../../base/errors.ts";
import { unlessGone } from "../../base/unless_gone.ts";
import { explainingIo } from "./explaining_io.ts";

/**
 * Looks for links and pipes in the directory of a run or of its checkpoints,
 * before anything in it is written. One that is not there yet has none.
 *
 * @throws {UserError} If there is one, the directory itself is one, or it
 * cannot be looked into.
 */
export function refuseLinks(dir: string): Promise<void> {
  return explainingIo(dir, async () => {
    if ((await unlessGone(Deno.lstat(dir)))?.isSymlink) {
      throw refusal(dir, "a link");
    }
    const entries = await unlessGone(Array.fromAsync(Deno.readDir(dir))) ?? [];
    for (const { name, isFile, isDirectory, isSymlink } of entries) {
      if (isFile || isDirectory) continue;
      throw refusal(join(dir, name), isSymlink ? "a link" : "no regular file");
    }
  });
}

function refusal(path: string, what: string): UserError {
  return new UserError(
    `Cannot write to "${path}": it is ${what}`,
    {
      hint: "put a copy of what it means in its place, or remove it",
      exitCode: EXIT.usage,
    },
  );
}
