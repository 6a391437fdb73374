/**
 * Whether a name still means the file that was opened by it.
 *
 * @module
 */

/** False, too, if nothing has that name any more. */
export async function isSameFile(
  open: Deno.FsFile,
  path: string,
): Promise<boolean> {
  const [here, there] = await Promise.all([
    open.stat(),
    Deno.stat(path).catch(() => null),
  ]);
  if (there === null) return false;
  // Windows gives no numbers, but does not rename a file that is open, either.
  return here.ino === null || here.ino === there.ino;
}
