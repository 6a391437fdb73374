import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { ask, type AskOptions } from "../../../src/cli/init/init_questions.ts";
import { initText } from "../../../src/cli/init/init_file.ts";
import { parseFileLayer } from "../../../src/config/parse.ts";
import { PROFILE_NAMES } from "../../../src/config/profile_names.ts";

const DOWN = "\x1b[B", ENTER = "\r", CTRL_C = "\x03";

/** Asks, and presses keys as soon as the words before them have appeared. */
async function answer(
  keys: [question: string, keys: string][],
  options: Partial<AskOptions> = {},
) {
  const input = Object.assign(new PassThrough(), {
    isTTY: true,
    setRawMode: () => input,
  });
  const output = Object.assign(new PassThrough(), { columns: 80, rows: 24 });
  const left = [...keys];
  let shown = "";
  output.on("data", (chunk) => {
    shown += String(chunk);
    if (left.length === 0 || !shown.includes(left[0][0])) return;
    shown = "";
    const [, pressed] = left.shift()!;
    setTimeout(() => input.write(pressed)); // once it listens
  });
  const answers = await ask({
    given: {},
    file: null,
    input,
    output,
    ...options,
  });
  assert.deepEqual(left, []);
  return answers;
}

Deno.test("ask() returns what was chosen and typed", async () => {
  assert.deepEqual(
    await answer([
      ["Which profile", DOWN + ENTER], // from tiny to small
      ["Which text", "poems.txt" + ENTER],
      ["How many", "300" + ENTER],
    ]),
    { profile: "small", dataset: "poems.txt", steps: 300 },
  );
});

Deno.test("ask() takes the defaults for empty answers", async () => {
  assert.deepEqual(
    await answer([
      ["Which profile", ENTER],
      ["Which text", ENTER],
      ["How many", ENTER],
    ]),
    { profile: "tiny", dataset: "sample" },
  );
});

Deno.test("ask() asks nothing that a flag has answered", async () => {
  const given = { profile: "demo", dataset: "a.txt" };
  assert.deepEqual(await answer([["How many", ENTER]], { given }), given);
});

Deno.test("ask() returns null at Ctrl+C, and when a file is to stay", async () => {
  assert.equal(await answer([["Which profile", CTRL_C]]), null);
  assert.equal(
    await answer([['"a.yaml" exists. Replace it?', ENTER]], { file: "a.yaml" }),
    null,
  );
});

Deno.test("initText() is a valid file for every profile, answers put in", () => {
  for (const profile of PROFILE_NAMES) {
    const text = initText({ profile, dataset: "C:\\a b: #.txt", steps: 7 });
    const { settings } = parseFileLayer(text, "hearth.yaml");
    const { data, train } = settings as Record<string, Record<string, unknown>>;
    assert.equal(data.dataset, "C:\\a b: #.txt");
    assert.equal(train.steps, 7);
    assert.equal(train.epochs, undefined);
  }
});
