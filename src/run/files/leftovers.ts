/**
 * What killed processes leave behind.
 *
 * @module
 */

import { join } from "node:path";
import { unlessGone } from "../../base/unless_gone.ts";

/** Names that writing aside gives: of a file, and of a checkpoint. */
const LEFTOVER = /\.tmp-\d+$|^\.(saving|removed)-/;
/** A checkpoint that stepped aside for another of the same name. */
const REPLACED = ".replaced-";

/** The name under which `name` waits until its successor is in place. */
export function replacedName(name: string): string {
  return REPLACED + name;
}

/**
 * Puts `dir`, which nobody else may be writing to, in order: removes what is
 * of no use, and puts back what a process that was killed had moved aside for
 * a successor that never came.
 */
export async function clearLeftovers(dir: string): Promise<void> {
  for (const { name } of await Array.fromAsync(Deno.readDir(dir))) {
    const path = join(dir, name);
    if (LEFTOVER.test(name)) {
      await Deno.remove(path, { recursive: true });
    } else if (name.startsWith(REPLACED)) {
      await putBack(path, join(dir, name.slice(REPLACED.length)));
    }
  }
}

async function putBack(aside: string, path: string): Promise<void> {
  const successor = await unlessGone(Deno.lstat(path));
  if (successor) await Deno.remove(aside, { recursive: true });
  else await Deno.rename(aside, path);
}
