/**
 * Names that stay where they are put.
 *
 * @module
 */

/** Common file systems take 255 bytes; a leftover has some in front. */
const MOST_NAME_BYTES = 240;

/**
 * Whether `name` is one entry of a directory, so that what is joined to it
 * stays inside: no path, no drive, and nothing that the system cuts short.
 */
export function isOneName(name: string): boolean {
  return name !== "" && !/[/\\:\0]|^\.\.?$/.test(name) &&
    new TextEncoder().encode(name).length <= MOST_NAME_BYTES;
}
