/**
 * Round numbers to write on an axis.
 *
 * @module
 */

/**
 * Multiples of 1, 2 or 5 times a power of ten between `low` and `high`: as
 * many as fit into `most`, which is at least 2.
 */
export function axisTicks(
  { low, high }: { low: number; high: number },
  most: number,
): number[] {
  const rough = (high - low) / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  for (const factor of [1, 2, 5, 10, 20]) {
    const step = power * factor;
    const first = Math.ceil(low / step - 1e-9);
    const last = Math.floor(high / step + 1e-9);
    if (last - first + 1 > most) continue;
    return Array.from(
      { length: last - first + 1 },
      // Divide by the inverse of a small step: 3 / 10 is 0.3, 3 * 0.1 is not.
      (_, i) =>
        step < 1 ? (first + i) / Math.round(1 / step) : (first + i) * step,
    );
  }
  return [];
}

/**
 * The same for an axis on which equal steps are equal factors.
 *
 * @param decades Ends of the axis, as powers of ten.
 */
export function logTicks(
  decades: { low: number; high: number },
  most: number,
): number[] {
  const powers = Array.from(
    { length: Math.floor(decades.high) - Math.floor(decades.low) + 1 },
    (_, i) => Math.floor(decades.low) + i,
  );
  const inside = (tick: number) =>
    Math.log10(tick) >= decades.low - 1e-9 &&
    Math.log10(tick) <= decades.high + 1e-9;
  for (const factors of [[1, 2, 5], [1, 3], [1]]) {
    const ticks = powers
      .flatMap((power) => factors.map((factor) => factor * 10 ** power))
      .filter(inside);
    if (ticks.length < 2) break;
    if (ticks.length <= most) return ticks;
  }
  // Less than a decade, so that round numbers are not far apart.
  const linear = { low: 10 ** decades.low, high: 10 ** decades.high };
  return axisTicks(linear, most);
}

/** A tick with as many decimals as tell all `ticks` apart. */
export function formatTick(tick: number, ticks: readonly number[]): string {
  for (let decimals = 0; decimals < 10; decimals++) {
    const exact = ticks.every((t) =>
      Math.abs(Number(t.toFixed(decimals)) - t) <= Math.abs(t) * 1e-9
    );
    if (exact) return tick.toFixed(decimals);
  }
  return tick.toPrecision(3);
}
