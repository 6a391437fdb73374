import assert from "node:assert/strict";
import {
  type BarValues,
  formatBar,
  formatStage,
  formatTransfer,
} from "../../../src/cli/output/progress_bar.ts";

const STEP: BarValues = {
  step: 165,
  totalSteps: 500,
  remainingMs: 39_400,
  trainLoss: 2.91337,
  tokensPerSec: 8310.4,
};

Deno.test("formatBar() shows share, step, loss, speed and ETA", () => {
  // The numbers take 54 columns: 80 - 54 - 4 leave 22 for the bar, of which
  // 0.33 * 22 = 7.26 is 7 whole blocks and 2 eighths.
  assert.equal(
    formatBar(STEP, 80),
    "[███████▎              ]  33 %  step 165/500  loss 2.9134  8,310 tok/s  ETA 39s",
  );
});

Deno.test("formatBar() says what is not known yet", () => {
  const state = { ...STEP, trainLoss: null, tokensPerSec: null };
  assert.match(
    formatBar({ ...state, remainingMs: null }, 80),
    /\] {2}33 % {2}step 165\/500 {2}loss n\/a {2}n\/a tok\/s {2}ETA n\/a$/,
  );
});

Deno.test("formatBar() is empty at the start and full at the end", () => {
  const bar = (step: number, totalSteps: number) =>
    formatBar({ ...STEP, step, totalSteps }, 200).slice(0, 40);
  assert.equal(bar(0, 500), `[${" ".repeat(30)}]   0 %  `);
  assert.equal(bar(500, 500), `[${"█".repeat(30)}] 100 %  `);
  assert.equal(bar(0, 0), `[${"█".repeat(30)}] 100 %  `); // nothing to do
});

Deno.test("formatBar() leaves the bar, then words, out of a narrow terminal", () => {
  assert.equal(
    formatBar(STEP, 60),
    "33 %  step 165/500  loss 2.9134  8,310 tok/s  ETA 39s",
  );
  assert.equal(
    formatBar(STEP, 50),
    "33 %  step 165/500  loss 2.9134  ETA 39s",
  );
  assert.equal(formatBar(STEP, 40), "33 %  loss 2.9134  ETA 39s");
  assert.equal(formatBar(STEP, 20), "33 %  ETA 39s");
  assert.equal(formatBar(STEP, 10), "33 %");
  for (let columns = 0; columns < 200; columns++) {
    assert.ok(formatBar(STEP, columns).length <= Math.max(0, columns - 1));
    assert.ok(formatStage("tokenizing", 0.5, columns).length <= columns);
  }
});

Deno.test("formatStage() shows a bar only for a known share", () => {
  assert.equal(
    formatStage("tokenizing", 0.41, 80),
    "[████████▏           ]  41 %  tokenizing",
  );
  assert.equal(formatStage("starting device", null, 80), "starting device …");
});

Deno.test("formatTransfer() shows bytes, speed and time left", () => {
  const half = {
    stage: "downloading",
    done: 3_500_000,
    total: 7_014_752,
    bytesPerSec: 1_000_000,
  };
  assert.equal(
    formatTransfer(half, 90),
    "[█████████▉          ]  49 %  downloading  3.5 MB of 7.0 MB  1.0 MB/s  " +
      "ETA 3.5s",
  );
  assert.equal(
    formatTransfer({ ...half, bytesPerSec: null }, 90),
    "[█████████▉          ]  49 %  downloading  3.5 MB of 7.0 MB  ETA n/a",
  );
  assert.equal(
    formatTransfer(half, 76),
    "[███████▉        ]  49 %  downloading  3.5 MB of 7.0 MB  1.0 MB/s  ETA 3.5s",
  );
  assert.equal(formatTransfer(half, 40), "49 %  downloading  ETA 3.5s");
  const unknown = { ...half, total: 0 };
  assert.equal(formatTransfer(unknown, 80), "downloading  3.5 MB  1.0 MB/s");
  assert.equal(
    formatTransfer({ ...unknown, done: 0, bytesPerSec: null }, 80),
    "downloading …",
  );
  for (let columns = 0; columns < 120; columns++) {
    assert.ok(formatTransfer(half, columns).length <= Math.max(0, columns - 1));
  }
});
