import assert from "node:assert/strict";
import { wholeSentences } from "../../../src/cli/commands/demo.ts";
import { Workspace } from "../_workspace.ts";

Deno.test("hearth demo trains, draws, writes, and says what to try next", async () => {
  await using workspace = await Workspace.create();
  const argv = ["demo", "--steps", "2", "--threads", "1"];
  const { code, out, err } = await workspace.run(argv);
  assert.equal(code, 0, err);
  assert.match(out, /^\nHow the loss fell \(nats per token\):\n\n/);
  assert.match(out, /\n +step {3}⠒⠒ trainLoss {3}o valLoss\n/);
  assert.equal(out.match(/^ {2}Once upon a time/gm)?.length, 1);
  assert.ok(out.endsWith(`
Try next:
  hearth generate demo --prompt "One day, a fox"
  hearth train --profile tiny --dataset YOUR-TEXT.txt
  hearth --help
`));
  const widest = Math.max(...out.split("\n").map((line) => line.length));
  assert.ok(widest <= 80, `${widest} columns`);

  // Once more: its run gets another name, its data is there already.
  const second = await workspace.run(argv, { tty: true });
  assert.equal(second.code, 0, second.err);
  assert.ok(second.out.includes("hearth generate demo-2 --prompt"));
});

Deno.test("wholeSentences() drops the sentence that was cut off", () => {
  const text = 'One day. "Oh no!" said Tom.\n"Why?" He ra';
  assert.equal(wholeSentences(text), 'One day. "Oh no!" said Tom.\n"Why?"');
  assert.equal(wholeSentences("He ran. She sat."), "He ran. She sat.");
  assert.equal(wholeSentences("One day a fo"), "One day a fo");
});
