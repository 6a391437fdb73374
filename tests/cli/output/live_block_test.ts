import assert from "node:assert/strict";
import { App } from "../../../src/cli/app.ts";
import type { Io } from "../../../src/cli/io.ts";
import { LiveBlock } from "../../../src/cli/output/live_block.ts";

/** A block in a terminal whose size the test changes. */
function liveBlock(size: { columns: number; rows: number }) {
  const written: string[] = [];
  const sink = {
    isTty: true,
    write: (text: string) => void written.push(text),
  };
  const io = {
    stdout: sink,
    stderr: sink,
    columns: () => size.columns,
    rows: () => size.rows,
    env: () => undefined,
  } as Partial<Io> as Io;
  return { block: new LiveBlock(new App(io)), written };
}

Deno.test("LiveBlock rewrites its lines in one write", () => {
  const { block, written } = liveBlock({ columns: 80, rows: 24 });
  block.update("one\ntwo");
  block.update("three");
  block.clear();
  block.update("four");
  assert.deepEqual(written, [
    "one\x1b[K\ntwo\x1b[K\n\x1b[J",
    "\r\x1b[2Athree\x1b[K\n\x1b[J",
    "\r\x1b[1A\x1b[J",
    "four\x1b[K\n\x1b[J",
  ]);
});

Deno.test("LiveBlock fits the terminal, also one that was made narrower", () => {
  const size = { columns: 11, rows: 5 };
  const { block, written } = liveBlock(size);
  block.update("0123456789abc\n\nshort\nno room");
  assert.equal(
    written[0],
    "0123456789\x1b[K\nabc\x1b[K\n\x1b[K\nshort\x1b[K\n\x1b[J",
  );
  size.columns = 4; // of these lines, three take 3, 1 and 2 rows now
  block.update("0123");
  assert.equal(written[1], "\r\x1b[7A012\x1b[K\n3\x1b[K\n\x1b[J");
});
