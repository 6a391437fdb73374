import assert from "node:assert/strict";
import { parseJson } from "../../src/base/parse_json.ts";

Deno.test("parseJson() reads what JSON.parse() reads, brackets in texts too", () => {
  const value = { a: [1, '[[[[{{{{\\"[', { "}]": null }] };
  const text = JSON.stringify(value);
  assert.deepEqual(parseJson(text), value);
  const many = `["${"[".repeat(1000)}","\\"${"{".repeat(1000)}"]`;
  assert.deepEqual(parseJson(many), JSON.parse(many));
  const deep = "[".repeat(64) + "]".repeat(64);
  assert.deepEqual(parseJson(deep), JSON.parse(deep));
});

Deno.test("parseJson() refuses depth that would fill stack or memory", () => {
  for (const [open, close] of [["[", "]"], ['{"a":', "}"]]) {
    const text = open.repeat(20_000) + "0" + close.repeat(20_000);
    assert.throws(() => parseJson(text), {
      name: "SyntaxError",
      message: "It nests deeper than 64 levels",
    });
  }
  assert.throws(() => parseJson("{"), { name: "SyntaxError" });
});
