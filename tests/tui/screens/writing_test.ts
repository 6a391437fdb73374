import assert from "node:assert/strict";
import { DEFAULT_GENERATION } from "../../../src/generate/generate.ts";
import type { OpenModel } from "../../../src/generate/open_model.ts";
import { writingLines } from "../../../src/tui/screens/writing_lines.ts";
import { newWriting, Writer } from "../../../src/tui/state/writing.ts";
import { lineWidth } from "../../../src/tui/text/line.ts";
import { eventually } from "../../run/_eventually.ts";
import { textOf } from "../_runs.ts";

/** A model that writes the words of a text, and what became of it. */
function fakeModel(name: string, words: string[], log: string[]): OpenModel {
  return {
    name,
    device: { id: "cpu", name: "fake", backend: "cpu" } as OpenModel["device"],
    warnings: [],
    notes: [],
    countUnknown: (text) => text.includes("?") ? 1 : 0,
    async *generate({ signal, seed }) {
      log.push(`${name} writes ${seed}`);
      for (const [id, text] of words.entries()) {
        await new Promise((resolve) => setTimeout(resolve, 1));
        if (signal?.aborted) return;
        yield { id, text };
      }
    },
    [Symbol.asyncDispose]() {
      log.push(`${name} closed`);
      return Promise.resolve();
    },
  };
}

Deno.test("Writer writes with one model after another, and keeps them open", async () => {
  const log: string[] = [];
  let changes = 0;
  const open = (ref: string) =>
    Promise.resolve(fakeModel(ref, ["a ", "b"], log));
  const writer = new Writer({ open }, () => changes++);
  const settings = { ...DEFAULT_GENERATION, seed: 7 };
  const first = newWriting("x?", { settings, refs: ["one", "two"] });
  writer.write(first);
  await eventually(() => first.samples[1].status === "done");
  assert.deepEqual(first.samples.map(({ text }) => text), ["a b", "a b"]);
  assert.equal(first.samples[0].tokens, 2);
  assert.match(first.samples[0].notes[0], /1 characters of the prompt/);
  const second = newWriting("y", { settings, refs: ["two"] });
  writer.write(second);
  await eventually(() => second.samples[0].status === "done");
  await writer[Symbol.asyncDispose]();
  assert.deepEqual(log, [
    ...["one writes 7", "two writes 7", "one closed", "two writes 7"],
    "two closed",
  ]);
  assert.ok(changes > 6);
});

Deno.test("Writer stops, and tells what failed", async () => {
  const log: string[] = [];
  const endless = Array(10_000).fill("z");
  const open = (ref: string) => {
    if (ref === "none") return Promise.reject(new Error("there is no model"));
    return Promise.resolve(fakeModel(ref, endless, log));
  };
  const writer = new Writer({ open }, () => {});
  const settings = DEFAULT_GENERATION;
  const long = newWriting("", { settings, refs: ["one"] });
  writer.write(long);
  await eventually(() => long.samples[0].tokens > 2);
  writer.stop();
  await eventually(() => long.samples[0].status === "stopped");
  const failed = newWriting("", { settings, refs: ["none"] });
  writer.write(failed);
  await eventually(() => failed.samples[0].status === "failed");
  assert.deepEqual(failed.samples[0].notes, ["there is no model"]);
  await writer[Symbol.asyncDispose]();
});

Deno.test("Writer opens a model anew whose device was lost", async () => {
  const log: string[] = [];
  let opened = 0;
  const open = () => {
    const model = fakeModel(`${++opened}`, ["a"], log);
    if (opened > 1) return Promise.resolve(model);
    return Promise.resolve({
      ...model,
      async *generate() {
        yield { id: 0, text: "x" };
        await Promise.reject(new Error("Lost it: device was lost"));
      },
      [Symbol.asyncDispose]: () => Promise.reject(new Error("it is lost")),
    });
  };
  const writer = new Writer({ open }, () => {});
  const settings = { ...DEFAULT_GENERATION, seed: 7 };
  const lost = newWriting("", { settings, refs: ["one"] });
  writer.write(lost);
  await eventually(() => lost.samples[0].status === "failed");
  assert.equal(lost.samples[0].text, "x");
  assert.deepEqual(lost.samples[0].notes, ["Lost it: device was lost"]);
  const again = newWriting("", { settings, refs: ["one"] });
  writer.write(again);
  await eventually(() => again.samples[0].status === "done");
  assert.equal(again.samples[0].name, "2");
  await writer[Symbol.asyncDispose]();
  assert.deepEqual(log, ["2 writes 7", "2 closed"]);
});

Deno.test("writingLines() shows two texts beside each other, or below", () => {
  const writing = newWriting("Once 日本", {
    settings: DEFAULT_GENERATION,
    refs: ["owl-1/latest", "owl-1/500"],
  });
  Object.assign(writing.samples[0], {
    name: "owl-1/step-00001000",
    text: " upon a time\nthere was \x1b[31m",
    tokens: 8,
    elapsedMs: 100,
    status: "done",
  });
  const lines = writingLines(writing, {
    size: { columns: 80, rows: 5 },
    back: 0,
    note: "",
  });
  assert.equal(
    textOf(lines),
    [
      "╭─ owl-1/step-00001000 ───────────────╮ ╭─ owl-1/500 ───────────────── waits ─╮",
      "│ Once 日本 upon a time               │ │ Once 日本                           │",
      "│ there was �[31m                     │ │                                     │",
      "│                                     │ │                                     │",
      "╰─────────────────────────────────────╯ ╰─────────────────────────────────────╯",
    ].join("\n"),
  );
  const below = writingLines(writing, {
    size: { columns: 60, rows: 10 },
    back: 0,
    note: "",
  });
  assert.equal(below.length, 10);
  assert.ok(below.every((line) => lineWidth(line) === 60));
});
