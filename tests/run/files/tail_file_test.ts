import assert from "node:assert/strict";
import { TailFile } from "../../../src/run/files/tail_file.ts";
import { draws, fc } from "../../_property.ts";
import { inTempDir } from "../../base/_helpers.ts";

const append = (path: string, text: string) =>
  Deno.writeTextFile(path, text, { append: true });

/** All that the reader has to say now. */
async function readAll(tail: TailFile) {
  const lines: string[] = [];
  let restarted = false;
  for (;;) {
    const chunk = await tail.read();
    if (chunk === null) return { lines, restarted };
    lines.push(...chunk.lines);
    restarted ||= chunk.restarted;
  }
}

for (
  const [text, lastLines, lines, rest] of [
    ["", 3, [], ""],
    ["a\n", 3, ["a"], ""],
    ["a\nb\nc\nd\n", 2, ["c", "d"], ""],
    ["a\nb\nc\nd\n", 4, ["a", "b", "c", "d"], ""],
    ["a\nb\nc\nd\n", 0, [], ""],
    ["a\nb\nc\n", Infinity, ["a", "b", "c"], ""],
    ["a\n\n\nb\n", 3, ["", "", "b"], ""],
    // The last line is still being written: it counts, but is not whole.
    ["a\nb\nhal", 2, ["b"], "hal"],
    ["a\nb\nhal", 0, [], "hal"],
    ["hal", 0, [], "hal"],
    ["hal", 1, [], "hal"],
  ] as const
) {
  Deno.test(`TailFile begins ${lastLines} lines before the end of ${JSON.stringify(text)}`, () =>
    inTempDir(async (dir) => {
      const path = `${dir}/log`;
      await Deno.writeTextFile(path, text);
      const tail = new TailFile(path, { lastLines });
      assert.deepEqual(await readAll(tail), { lines, restarted: false });
      assert.equal(await tail.rest(), rest);
    }));
}

Deno.test("TailFile waits for the rest of a line", () =>
  inTempDir(async (dir) => {
    const path = `${dir}/log`;
    const tail = new TailFile(path, { lastLines: 10 });
    assert.equal(await tail.read(), null); // there is no file yet
    await Deno.writeTextFile(path, "one\ntw");
    assert.deepEqual((await readAll(tail)).lines, ["one"]);
    assert.equal(await tail.read(), null);
    await append(path, "o\nthree\n");
    assert.deepEqual((await readAll(tail)).lines, ["two", "three"]);
    // Half of a character is half of a line.
    const bytes = new TextEncoder().encode("é\n");
    await Deno.writeFile(path, bytes.subarray(0, 1), { append: true });
    assert.equal(await tail.read(), null);
    await Deno.writeFile(path, bytes.subarray(1), { append: true });
    assert.deepEqual((await readAll(tail)).lines, ["é"]);
  }));

for (
  const [how, change] of [
    ["cut short", (path: string) => Deno.writeTextFile(path, "new\n")],
    [
      "replaced by a longer one",
      async (path: string) => {
        await Deno.writeTextFile(`${path}.aside`, "new\nb\nc\nd\ne\nf\n");
        await Deno.rename(`${path}.aside`, path);
      },
    ],
    [
      "cut short and longer again",
      (path: string) => Deno.writeTextFile(path, "new\nbb\ncc\ndd\n"),
    ],
    [
      "moved away for a new one",
      async (path: string) => {
        await Deno.rename(path, `${path}.1`);
        await Deno.writeTextFile(path, "new\n");
      },
    ],
  ] as const
) {
  Deno.test(`TailFile starts over in a file that was ${how}`, () =>
    inTempDir(async (dir) => {
      const path = `${dir}/log`;
      await Deno.writeTextFile(path, "a\nb\nc\n");
      const tail = new TailFile(path, { lastLines: 1 });
      assert.deepEqual(await readAll(tail), { lines: ["c"], restarted: false });
      await change(path);
      const { lines, restarted } = await readAll(tail);
      assert.deepEqual([lines[0], restarted], ["new", true]);
      await append(path, "more\n");
      assert.deepEqual(await readAll(tail), {
        lines: ["more"],
        restarted: false,
      });
    }));
}

Deno.test("TailFile goes on in a copy of the file that has grown", () =>
  inTempDir(async (dir) => {
    const path = `${dir}/log`;
    await Deno.writeTextFile(path, "a\nb\n");
    const tail = new TailFile(path, { lastLines: 9 });
    await readAll(tail);
    await Deno.writeTextFile(`${path}.aside`, "a\nb\nc\n");
    await Deno.rename(`${path}.aside`, path);
    assert.deepEqual(await readAll(tail), { lines: ["c"], restarted: false });
  }));

Deno.test("TailFile says so when a file was emptied", () =>
  inTempDir(async (dir) => {
    const path = `${dir}/log`;
    await Deno.writeTextFile(path, "a\nb\n");
    const tail = new TailFile(path, { lastLines: 9 });
    await readAll(tail);
    await Deno.truncate(path);
    assert.deepEqual(await readAll(tail), { lines: [], restarted: true });
    await Deno.remove(path);
    assert.equal(await tail.read(), null);
  }));

Deno.test("TailFile reads a large file in pieces, and from its end at once", () =>
  inTempDir(async (dir) => {
    const path = `${dir}/log`;
    const line = (i: number) => `line ${i} ${"x".repeat(i % 90)}`;
    const all = Array.from({ length: 50_000 }, (_, i) => line(i));
    await Deno.writeTextFile(path, all.map((text) => `${text}\n`).join(""));
    const whole = new TailFile(path, { lastLines: Infinity });
    const text = (await readAll(whole)).lines.join("\n");
    assert.ok(text === all.join("\n")); // deepEqual would take seconds
    for (const count of [1, 20, 3000]) { // within and beyond a block
      const tail = new TailFile(path, { lastLines: count });
      assert.deepEqual((await readAll(tail)).lines, all.slice(-count));
    }
  }));

Deno.test("TailFile cuts a line that has no end", () =>
  inTempDir(async (dir) => {
    const path = `${dir}/log`;
    await Deno.writeTextFile(path, "x".repeat((1 << 20) + 5) + "\nnext\n");
    const tail = new TailFile(path, { lastLines: Infinity });
    const { lines } = await readAll(tail);
    assert.deepEqual(lines.map((text) => text.length), [1 << 20, 5, 4]);
  }));

Deno.test("TailFile reads what any writer appends, in whatever pieces", () =>
  inTempDir(async (dir) => {
    const path = `${dir}/log`;
    const text = fc.string({
      unit: fc.constantFrom("a", "é", "🦊", "\r", "\0", "\n", "\n"),
    });
    await fc.assert(
      fc.asyncProperty(
        text,
        fc.array(fc.nat()),
        fc.nat({ max: 5 }),
        async (text, places, lastLines) => {
          // Cut anywhere, within characters as well.
          const bytes = new TextEncoder().encode(text);
          const cuts = places.map((place) => place % (bytes.length + 1))
            .sort((a, b) => a - b);
          const [begin = 0, ...ends] = [...cuts, bytes.length];
          const first = bytes.subarray(0, begin);
          await Deno.writeFile(path, first);
          const tail = new TailFile(path, { lastLines });
          const { lines } = await readAll(tail);
          let written = begin;
          for (const end of ends) {
            const piece = bytes.subarray(written, end);
            await Deno.writeFile(path, piece, { append: true });
            written = end;
            lines.push(...(await readAll(tail)).lines);
          }
          lines.push(await tail.rest());
          // The same by hand: the last lines of what was there, the rest in full.
          const wholeBytes = first.lastIndexOf(0x0a) + 1;
          const linesOf = (from: number, to: number) =>
            new TextDecoder().decode(bytes.subarray(from, to)).split("\n");
          const old = linesOf(0, wholeBytes).slice(0, -1);
          const isTorn = wholeBytes < begin && lastLines > 0;
          const count = Math.max(0, lastLines - (isTorn ? 1 : 0));
          const kept = count === 0 ? [] : old.slice(-count);
          const added = linesOf(wholeBytes, bytes.length);
          assert.deepEqual(lines, [...kept, ...added]);
        },
      ),
      { numRuns: draws(60) },
    );
  }));
