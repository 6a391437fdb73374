/**
 * Crash-safe files: the old bytes or the new ones, never a mix, and what was
 * reported as written is there after a power cut.
 *
 * @module
 */

import { dirname } from "node:path";

/** All of a file, or its parts one after another. */
export type FileContent = string | Uint8Array | AsyncIterable<string>;

/**
 * Replaces `path` with `content`, so that a crash leaves it whole.
 *
 * The new bytes go to a neighbor first: `rename` is atomic only inside one
 * file system, and only after `sync` are the bytes known to be on disk.
 *
 * @throws {Deno.errors.NotFound} If the directory of `path` does not exist.
 */
export async function replaceFile(
  path: string,
  content: FileContent,
): Promise<void> {
  const aside = `${path}.tmp-${Deno.pid}`;
  try {
    await writeFileSynced(aside, content);
    await Deno.rename(aside, path);
    await syncDirectory(dirname(path));
  } catch (error) {
    await Deno.remove(aside).catch(() => {}); // keep the real error
    throw error;
  }
}

/** Writes a file and waits until its bytes are on disk. Not atomic. */
export async function writeFileSynced(
  path: string,
  content: FileContent,
): Promise<void> {
  using file = await Deno.open(path, {
    write: true,
    create: true,
    truncate: true,
  });
  const isWhole = typeof content === "string" || content instanceof Uint8Array;
  for await (const part of isWhole ? [content] : content) {
    const bytes = typeof part === "string"
      ? new TextEncoder().encode(part)
      : part;
    for (let at = 0; at < bytes.length;) {
      at += await file.write(bytes.subarray(at));
    }
  }
  await file.sync();
}

/**
 * Makes a directory and what is missing above it, so that a power cut takes
 * none of them away again.
 *
 * @param attempts How often to try again when the parent goes away meanwhile.
 * @returns The outermost one that was made, or undefined if all were there.
 */
export async function makeDirectories(
  path: string,
  attempts = 10,
): Promise<string | undefined> {
  const parent = dirname(path);
  try {
    await Deno.mkdir(path);
  } catch (error) {
    if (await isDirectory(path)) return undefined;
    const isAbove = error instanceof Deno.errors.NotFound && parent !== path;
    // Another process may take the parent away again; /proc has one in which
    // nothing can ever be made, and says the same.
    if (!isAbove || attempts <= 1) throw error;
    const outermost = await makeDirectories(parent, attempts);
    const innermost = await makeDirectories(path, attempts - 1);
    return outermost ?? innermost;
  }
  await syncDirectory(parent);
  return path;
}

async function isDirectory(path: string): Promise<boolean> {
  return await Deno.stat(path).then((stat) => stat.isDirectory, () => false);
}

/**
 * Makes names inside `path` durable: those of new, renamed and removed
 * entries. Windows has no such call.
 */
export async function syncDirectory(path: string): Promise<void> {
  if (Deno.build.os === "windows") return;
  using directory = await Deno.open(path, { read: true });
  await directory.sync();
}
