import assert from "node:assert/strict";
import {
  type Access,
  Hazards,
  RangeLog,
} from "../../../src/backend/vulkan/commands/hazards.ts";
import { draws, fc } from "../../_property.ts";

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
  const upper = write(a, 16, 32);
  assert.deepEqual(barriers([upper], [read(a, 0, 16)]), [false, false]);
  assert.deepEqual(barriers([upper], [read(a, 0, 17)]), [false, true]);
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

/** Goes by every access since the last barrier, byte by byte. */
function barriersByBytes(commands: readonly Access[][]): boolean[] {
  let touched = new Map<string, boolean>();
  const bytes = ({ log, start, end }: Access) =>
    Array.from({ length: end - start }, (_, i) => `${log === a} ${start + i}`);
  return commands.map((accesses) => {
    const mustWait = accesses.some((access) =>
      bytes(access).some((byte) =>
        touched.has(byte) && (access.written || touched.get(byte))
      )
    );
    if (mustWait) touched = new Map();
    for (const access of accesses) {
      for (const byte of bytes(access)) {
        touched.set(byte, access.written || touched.get(byte) === true);
      }
    }
    return mustWait;
  });
}

Deno.test("hazards: barriers are where a list of all bytes has them", () => {
  const access = fc.record({
    log: fc.constantFrom(a, b),
    start: fc.nat(8),
    length: fc.integer({ min: 1, max: 8 }),
    written: fc.boolean(),
  }).map(({ length, ...one }): Access => ({ ...one, end: one.start + length }));
  const command = fc.array(access, { minLength: 1, maxLength: 3 });
  fc.assert(
    fc.property(fc.array(command, { maxLength: 12 }), (commands) => {
      assert.deepEqual(barriers(...commands), barriersByBytes(commands));
    }),
    { numRuns: draws(2000) },
  );
});
