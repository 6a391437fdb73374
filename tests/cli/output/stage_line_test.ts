import assert from "node:assert/strict";
import { StageLine } from "../../../src/cli/output/stage_line.ts";

Deno.test("StageLine tells the speed of the last seconds", () => {
  let atMs = 0;
  const line = new StageLine(() => atMs);
  const show = (stage: string, done: number) =>
    line.render({
      stage,
      fraction: done / 100e6,
      bytes: { done, total: 100e6 },
    })(120);
  assert.match(show("downloading", 0), /ETA n\/a$/);
  // 1 MB/s for 20 s, then 4 MB/s: five seconds later that is all that counts.
  for (let s = 1; s <= 20; s++) {
    atMs = s * 1000;
    assert.match(show("downloading", s * 1e6), / 1\.0 MB\/s {2}ETA /);
  }
  for (let s = 1; s <= 7; s++) {
    atMs = 20_000 + s * 1000;
    show("downloading", 20e6 + s * 4e6);
  }
  assert.match(show("downloading", 48e6), / 4\.0 MB\/s {2}ETA 13s$/);
  // Another stage begins anew.
  assert.match(show("tokenizing", 10e6), /10 % {2}tokenizing .* ETA n\/a$/);
});

Deno.test("StageLine shows a share where bytes are not what is counted", () => {
  const line = new StageLine(() => 0);
  assert.equal(
    line.render({ stage: "training tokenizer", fraction: 0.5 })(80),
    "[██████████          ]  50 %  training tokenizer",
  );
});
