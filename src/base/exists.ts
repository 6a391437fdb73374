/**
 * Whether something is on disk.
 *
 * @module
 */

/** Whether a path is taken; a link is, wherever it leads. */
export async function exists(path: string): Promise<boolean> {
  return await Deno.lstat(path).then(() => true, () => false);
}
