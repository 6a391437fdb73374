/**
 * What killed processes leave behind.
 *
 * @module
 */

import { join } from "node:path";

/** Names that writing aside gives: of a file, and of a checkpoint. */
const LEFTOVER = /\.tmp-\d+$|^\.(saving|removed)-/;

/** Removes them from `dir`, which nobody else may be writing to. */
export async function removeLeftovers(dir: string): Promise<void> {
  for await (const { name } of Deno.readDir(dir)) {
    if (!LEFTOVER.test(name)) continue;
    await Deno.remove(join(dir, name), { recursive: true });
  }
}
