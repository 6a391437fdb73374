import assert from "node:assert/strict";
import { parseJson } from "../../src/base/parse_json.ts";
import { draws, fc } from "../_property.ts";

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
});

/** A value, and a text that means it. */
interface Written {
  value: unknown;
  text: string;
}

/** A text in quotation marks. @param escaped Which characters, in turns. */
function quoted(value: string, escaped: readonly boolean[]): Written {
  const letters = Array.from({ length: value.length }, (_, i) => {
    const code = value.charCodeAt(i).toString(16).padStart(4, "0");
    return escaped[i % escaped.length]
      ? `\\u${code}`
      : JSON.stringify(value[i]).slice(1, -1);
  });
  return { value, text: `"${letters.join("")}"` };
}

const anyText = fc.tuple(
  fc.oneof(
    fc.string({
      unit: fc.constantFrom(...'\\"\nab#0:\0\u2028\u017e', "\ud83d", "\ude00"),
      maxLength: 4,
    }),
    fc.constantFrom("__proto__", "constructor", "4294967295", "-0", "#0:0"),
  ),
  fc.array(fc.boolean(), { minLength: 1, maxLength: 3 }),
).map(([value, escaped]) => quoted(value, escaped));

const { anyValue } = fc.letrec<{ anyValue: Written }>((tie) => {
  const numbers = ["-0", "1e21", "9007199254740993", "1e999", "-2.5e-3"];
  const plain = fc.constantFrom("null", "true", ...numbers)
    .map((text): Written => ({ value: JSON.parse(text), text }));
  const some = { maxLength: 5 };
  return {
    anyValue: fc.oneof(
      { maxDepth: 4, depthSize: "medium" },
      plain,
      anyText,
      fc.array(tie("anyValue"), some).map((all): Written => ({
        value: all.map(({ value }) => value),
        text: `[${all.map(({ text }) => text).join(" , ")}]`,
      })),
      fc.array(fc.tuple(anyText, tie("anyValue")), some).map((
        all,
      ): Written => ({
        // Where a key comes again, its first place and its last value count.
        value: Object.fromEntries(
          all.map(([key, { value }]) => [key.value, value]),
        ),
        text: `{${
          all.map(([key, { text }]) => `${key.text}\n: ${text}`).join()
        }}`,
      })),
    ),
  };
});

Deno.test("parseJson() knows any keys, in any spelling", () => {
  const before = fc.option(anyValue);
  fc.assert(
    fc.property(before, anyValue, (before, { value, text }) => {
      if (before !== null) JSON.parse(before.text);
      const parsed = parseJson(text);
      assert.deepEqual(parsed, value);
      assert.equal(JSON.stringify(parsed), JSON.stringify(value)); // the order
    }),
    { numRuns: draws(500) },
  );
});

Deno.test("parseJson() takes the last of equal keys, however they are spelled", () => {
  assert.deepEqual(
    parseJson('{"b": 1, "\\u0062": 2, "b": 3, "\\n": 4, "\\u000a": 5}'),
    { b: 3, "\n": 5 },
  );
  // What looks like a name that keys have for a moment.
  assert.deepEqual(
    parseJson('{"\\n": 1, "#0:0": 2, "\\u0023\\u0031:0": 3, "#1:0": 4}'),
    { "\n": 1, "#0:0": 2, "#1:0": 4 },
  );
});

Deno.test("parseJson() is not kept busy by a key that is odd", () => {
  const odd = "#".repeat(300_000); // hours, in the square of the length
  const parsed = parseJson(`{"\\n": 1, "${odd}": 2}`) as object;
  assert.deepEqual(Object.keys(parsed).map(({ length }) => length), [
    1,
    300_000,
  ]);
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
