import assert from "node:assert/strict";
import {
  type Access,
  Hazards,
  RangeLog,
} from "../../../src/backend/vulkan/commands/hazards.ts";

const a = new RangeLog(), b = new RangeLog();

function read(log: RangeLog, start = 0, end = 16): Access {
  return { log, start, end, written: false };
}

function write(log: RangeLog, start = 0, end = 16): Access {
  return { log, start, end, written: true };
}

/** Whether a barrier stands before each command. */
function barriers(...commands: Access[][]): boolean[] {
  const hazards = new Hazards();
  a.barrier = b.barrier = -1;
  return commands.map((accesses) => hazards.visit(accesses));
}

Deno.test("hazards: a write is waited for, and so is a read by a write", () => {
  assert.deepEqual(barriers([write(a)], [read(a)]), [false, true]);
  assert.deepEqual(barriers([read(a)], [write(a)]), [false, true]);
  assert.deepEqual(barriers([write(a)], [write(a)]), [false, true]);
  assert.deepEqual(barriers([read(a)], [read(a)]), [false, false]);
});

Deno.test("hazards: only bytes that are shared matter", () => {
  const lower = write(a, 0, 16);
  assert.deepEqual(barriers([lower], [read(a, 16, 32)]), [false, false]);
  assert.deepEqual(barriers([lower], [read(a, 15, 32)]), [false, true]);
  assert.deepEqual(barriers([lower], [read(b)]), [false, false]);
});

Deno.test("hazards: a barrier is for all that came before it", () => {
  assert.deepEqual(
    barriers(
      [write(a)],
      [write(b)],
      [read(a)], // waits for both
      [read(b)],
      [write(b)], // which was read since
      [read(b, 0, 4), write(a)],
    ),
    [false, false, true, false, true, true],
  );
});

Deno.test("hazards: a command does not wait for itself", () => {
  assert.deepEqual(barriers([read(a), write(a)], [read(b)]), [false, false]);
});
