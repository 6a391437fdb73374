import assert from "node:assert/strict";
import { parseJson } from "../../src/base/parse_json.ts";
import { fc } from "../_property.ts";

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

Deno.test("parseJson() knows escaped keys, whatever was parsed before", () => {
  // By which JSON.parse() takes a quotation mark for a backslash.
  const before = JSON.stringify({ q: 0, "\\": 1, "\u017e": 2 });
  const text = JSON.stringify({ q: 0, '"': 1, "\u017e": 2 });
  for (const parse of [JSON.parse, parseJson]) parse(before);
  assert.deepEqual(Object.keys(parseJson(text) as object), [
    "q",
    '"',
    "\u017e",
  ]);
  const key = fc.string({
    unit: fc.constantFrom(...'\\"\nab#01'),
    ...{ minLength: 1, maxLength: 2 },
  });
  const dictionary = fc.array(fc.tuple(key, fc.nat(3)), { maxLength: 5 });
  fc.assert(fc.property(dictionary, dictionary, (entries, inner) => {
    const value = Object.fromEntries<unknown>(entries);
    value.last = [Object.fromEntries(inner), null];
    assert.deepEqual(parseJson(JSON.stringify(value, null, 1)), value);
  }));
});

Deno.test("parseJson() reads escaped keys as JSON.parse() reads others", () => {
  const own = parseJson(
    '{"\\u005f_proto__": 1, "b": 2, "\\u0062": 3, "\\u0031": 4}',
  );
  assert.deepEqual(
    Object.entries(own as object),
    [["1", 4], ["__proto__", 1], ["b", 3]],
  );
  for (
    const bad of ['{"\\n": 1,}', '{"\\q": 1}', '{"\\n": 1', '{"\\n\t": 1}']
  ) {
    const message = messageOf(() => JSON.parse(bad));
    assert.throws(() => parseJson(bad), { name: "SyntaxError", message });
  }
});

function messageOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error("It did not fail");
}
