/**
 * Times, bytes and counts as text for people; JSON keeps the numbers.
 *
 * @module
 */

/** What is shown for a value that is not known. */
export const UNKNOWN = "n/a";

/** `2h 05m`, `3m 12s`, `8.4s`, `n/a`. @param ms Milliseconds or null. */
export function formatDuration(ms: number | null): string {
  if (ms === null || !Number.isFinite(ms)) return UNKNOWN;
  const seconds = Math.max(0, ms) / 1000;
  if (seconds >= 0.005 && seconds < 0.095) return `${seconds.toFixed(2)}s`;
  if (seconds < 9.95) return `${seconds.toFixed(1)}s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole}s`;
  const two = (n: number) => String(n).padStart(2, "0");
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes}m ${two(whole % 60)}s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return `${hours}h ${two(minutes % 60)}m`;
  return `${Math.floor(hours / 24)}d ${two(hours % 24)}h`;
}

/** `812 B`, `1.4 MB`, `12.0 GB` in powers of 1000, as disks are sold. */
export function formatBytes(bytes: number | null): string {
  return bytes === null ? UNKNOWN : bytesWith(1, bytes);
}

/** Beyond so many digits, all bytes are easier to read. */
const MOST_DIGITS = 3;

/**
 * Two sizes of which one is too large for the other, or should be the other:
 * `4.31 GB` and `4.29 GB`, with enough digits to see the difference.
 */
export function formatUnequalBytes(a: number, b: number): [string, string] {
  for (let digits = 1; digits <= MOST_DIGITS; digits++) {
    const texts = [bytesWith(digits, a), bytesWith(digits, b)] as const;
    if (texts[0] !== texts[1] || a === b) return [...texts];
  }
  return [countOf(a, "byte"), countOf(b, "byte")];
}

function bytesWith(digits: number, bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  const units = ["kB", "MB", "GB", "TB", "PB"];
  const most = 1000 - 10 ** -digits / 2; // which is rounded up
  let value = bytes / 1000, unit = 0;
  while (value >= most && unit < units.length - 1) value /= 1000, unit++;
  return `${value.toFixed(digits)} ${units[unit]}`;
}

/** Made once: that takes a hundred times as long as using it. */
let counts: Intl.NumberFormat | undefined;

/** `1,234,567`. */
export function formatCount(n: number | null): string {
  if (n === null) return UNKNOWN;
  counts ??= new Intl.NumberFormat("en-US");
  return counts.format(Math.round(n));
}

/** `1 step`, `3,000 steps`. */
export function countOf(n: number, noun: string): string {
  return `${formatCount(n)} ${noun}${n === 1 ? "" : "s"}`;
}

/** `124M`, `1.3B`, `850k`: a size at a glance, such as a parameter count. */
export function formatApprox(n: number): string {
  const units = ["", "k", "M", "B", "T"];
  let value = n, unit = 0;
  while (value >= 999.5 && unit < units.length - 1) value /= 1000, unit++;
  const digits = unit > 0 && value < 9.95 ? 1 : 0;
  return `${value.toFixed(digits)}${units[unit]}`;
}
