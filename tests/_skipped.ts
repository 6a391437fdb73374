/**
 * Tests that this machine cannot do, and why.
 *
 * @module
 */

/**
 * Says why tests are skipped, as one of that name: what a file prints before
 * its tests is hidden by `deno test --quiet`.
 */
export function saySkipped(why: string): void {
  Deno.test({ name: why, ignore: true, fn() {} });
}
