/** Generous: a machine busy with other tests may be slow. */
const TIMEOUT_MS = 20_000;

/**
 * Waits until `condition` holds.
 *
 * @throws If it does not hold after 20 s.
 */
export async function eventually(
  condition: () => boolean | Promise<boolean>,
): Promise<void> {
  const endMs = performance.now() + TIMEOUT_MS;
  while (!await condition()) {
    if (performance.now() > endMs) throw new Error(`Not so: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
