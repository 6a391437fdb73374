import assert from "node:assert/strict";
import { CONFIG_FLAGS } from "../../src/config/config_flags.ts";
import { letters } from "../../src/config/near_miss.ts";
import { OTHER_WORDS, ourValue } from "../../src/config/other_words.ts";
import { createProgram } from "../../src/cli/program.ts";
import type { App } from "../../src/cli/app.ts";

Deno.test("words of other programs stand for flags and settings there are", () => {
  const program = createProgram({ io: {} } as App);
  const names = new Set(
    [program, ...program.commands]
      .flatMap(({ options }) => options)
      .map(({ long }) => letters(long!.slice(2)))
      .concat(CONFIG_FLAGS.map(({ path }) => letters(path))),
  );
  for (const [theirs, ours] of Object.entries(OTHER_WORDS)) {
    assert.equal(letters(theirs), theirs);
    for (const word of ours) assert.ok(names.has(letters(word)), word);
  }
});

Deno.test("ourValue() knows values of other programs, where they are allowed", () => {
  const precisions = ["fp32", "bf16", "fp16"];
  assert.equal(ourValue("float16", precisions), "fp16");
  assert.equal(ourValue("f16", precisions), "fp16"); // not bf16, as near
  assert.equal(ourValue("BFloat16", precisions), "bf16");
  assert.equal(ourValue("true", precisions), null);
  assert.equal(ourValue("true", ["none", "selective", "full"]), "full");
  assert.equal(ourValue("constructor", precisions), null);
});
