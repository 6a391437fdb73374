import assert from "node:assert/strict";
import { formatAge, formatClock } from "../../src/base/when.ts";

const NOW = new Date(2026, 0, 2, 12, 30).getTime();
const ago = (seconds: number) => new Date(NOW - 1000 * seconds).toISOString();

Deno.test("formatAge() names the largest unit", () => {
  const ages = [0, 0.9, 1, 59, 60, 3599, 3600, 86_399, 86_400, 4e7]
    .map((seconds) => formatAge(ago(seconds), NOW));
  assert.deepEqual(ages, [
    ...["now", "now", "1s ago", "59s ago", "1m ago", "59m ago", "1h ago"],
    ...["23h ago", "1d ago", "462d ago"],
  ]);
});

Deno.test("formatAge() takes the future for now, and null for unknown", () => {
  assert.equal(formatAge(ago(-3600), NOW), "now");
  assert.equal(formatAge(null, NOW), "n/a");
});

Deno.test("formatClock() is local, with the date on other days", () => {
  const at = (...args: [number, number, number, number, number]) =>
    formatClock(new Date(...args).toISOString(), NOW);
  assert.equal(at(2026, 0, 2, 9, 5), "09:05");
  assert.equal(at(2026, 0, 3, 0, 0), "2026-01-03 00:00");
  assert.equal(at(2027, 0, 2, 9, 5), "2027-01-02 09:05");
  assert.equal(formatClock(null, NOW), "n/a");
});
