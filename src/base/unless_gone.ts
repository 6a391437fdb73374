/**
 * Files that another process may take away at any moment.
 *
 * @module
 */

/**
 * What `work` gives, or null if the file or directory that it needs is not
 * there. Every other failure is passed on.
 */
export async function unlessGone<T>(work: Promise<T>): Promise<T | null> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}
