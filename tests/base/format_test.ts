import assert from "node:assert/strict";
import {
  countOf,
  formatApprox,
  formatBytes,
  formatCount,
  formatDuration,
  formatUnequalBytes,
} from "../../src/base/format.ts";

Deno.test("formatDuration() uses the two largest units", () => {
  const cases: [number | null, string][] = [
    [null, "n/a"],
    [Infinity, "n/a"],
    [-5, "0.0s"],
    [8_400, "8.4s"],
    [9_949, "9.9s"],
    [9_950, "10s"],
    [59_400, "59s"],
    [59_600, "1m 00s"],
    [192_000, "3m 12s"],
    [3_599_600, "1h 00m"],
    [7_500_000, "2h 05m"],
    [86_400_000, "1d 00h"],
    [266_400_000, "3d 02h"],
  ];
  for (const [ms, text] of cases) assert.equal(formatDuration(ms), text);
});

Deno.test("formatBytes() counts in powers of 1000", () => {
  const cases: [number | null, string][] = [
    [null, "n/a"],
    [0, "0 B"],
    [999, "999 B"],
    [1000, "1.0 kB"],
    [1_440_000, "1.4 MB"],
    [999_949, "999.9 kB"],
    [999_960, "1.0 MB"],
    [12e9, "12.0 GB"],
    [5e18, "5000.0 PB"],
  ];
  for (const [bytes, text] of cases) assert.equal(formatBytes(bytes), text);
});

Deno.test("formatUnequalBytes() has enough digits to tell two sizes apart", () => {
  const cases: [a: number, b: number, texts: [string, string]][] = [
    [48e6, 40e6, ["48.0 MB", "40.0 MB"]],
    [4.3e9, 2 ** 32 - 65536, ["4.30 GB", "4.29 GB"]],
    [4.3e9, 4.296e9, ["4.300 GB", "4.296 GB"]],
    [2 ** 32, 4.27e9, ["4.29 GB", "4.27 GB"]],
    [999_960, 1e6, ["999.96 kB", "1.00 MB"]],
    [2 ** 32, 2 ** 32 - 4, ["4,294,967,296 bytes", "4,294,967,292 bytes"]],
    [1001, 1000, ["1.001 kB", "1.000 kB"]],
    [1, 0, ["1 B", "0 B"]],
    [1e6, 1e6, ["1.0 MB", "1.0 MB"]],
  ];
  for (const [a, b, texts] of cases) {
    assert.deepEqual(formatUnequalBytes(a, b), texts);
    assert.deepEqual(formatUnequalBytes(b, a), texts.toReversed());
  }
});

Deno.test("formatCount() groups thousands", () => {
  assert.equal(formatCount(1_234_567.4), "1,234,567");
  assert.equal(formatCount(0), "0");
  assert.equal(formatCount(null), "n/a");
});

Deno.test("formatApprox() keeps two digits or more", () => {
  const cases: [number, string][] = [
    [0, "0"],
    [999, "999"],
    [1024, "1.0k"],
    [850_000, "850k"],
    [999_600, "1.0M"],
    [9_960_000, "10M"],
    [124_439_808, "124M"],
    [1.3e9, "1.3B"],
  ];
  for (const [n, text] of cases) assert.equal(formatApprox(n), text);
});

Deno.test("countOf() has one of a thing, and several of them", () => {
  assert.equal(countOf(1, "step"), "1 step");
  assert.equal(countOf(0, "step"), "0 steps");
  assert.equal(countOf(3000, "data set"), "3,000 data sets");
});

Deno.test("formatDuration() has two digits of what is over at once", () => {
  assert.equal(formatDuration(36), "0.04s");
  assert.equal(formatDuration(94), "0.09s");
  assert.equal(formatDuration(96), "0.1s");
  assert.equal(formatDuration(0), "0.0s");
  assert.equal(formatDuration(4), "0.0s");
});
