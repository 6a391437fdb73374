/**
 * Moving through a list with the keys of the keymap.
 *
 * @module
 */

/**
 * Where the cursor is, of `count` which may be infinite, after `action`; null
 * if it is no movement.
 */
export function moved(
  action: string,
  { at, count, page }: { at: number; count: number; page: number },
): number | null {
  const step: Record<string, number> = {
    up: -1,
    down: 1,
    pageup: -page,
    pagedown: page,
    home: -Infinity,
    end: Infinity,
  };
  if (step[action] === undefined) return null;
  const last = Number.isFinite(count) ? count - 1 : Number.MAX_SAFE_INTEGER;
  return Math.max(0, Math.min(last, at + step[action]));
}
