/**
 * Whether a file was written since the last look, at the price of a `stat`.
 *
 * @module
 */

/**
 * Changes whenever the file does; a replaced file has another inode. Empty
 * for one that is not there: reading it tells more.
 */
export async function fileSignature(path: string): Promise<string> {
  try {
    const { ino, size, mtime } = await Deno.stat(path);
    return `${ino} ${size} ${mtime?.getTime()}`;
  } catch {
    return "";
  }
}
