import assert from "node:assert/strict";
import { AddedTokens } from "../../src/tokenizer/added_tokens.ts";
import { draws, fc } from "../_property.ts";

const token = fc.string({
  unit: fc.constantFrom("a", "b", "é", "🦊"),
  minLength: 1,
});

Deno.test("AddedTokens finds the leftmost, and there the longest", () => {
  const tokens = fc.uniqueArray(token, { minLength: 1, maxLength: 5 });
  const text = fc.string({
    unit: fc.constantFrom("a", "b", "é", "🦊"),
    maxLength: 30,
  });
  fc.assert(
    fc.property(tokens, text, (contents, text) => {
      const added = new AddedTokens(
        contents.map((content, id) => ({ id, content, special: true })),
      );
      const found = added.find(new TextEncoder().encode(text));
      const longestFirst = contents.toSorted((a, b) => b.length - a.length);
      const expected = text.matchAll(RegExp(longestFirst.join("|"), "g"))
        .map(([content]) => content);
      assert.deepEqual(found.map(({ id }) => contents[id]), [...expected]);
      for (const { id, at, end } of found) {
        const bytes = new TextEncoder().encode(text).subarray(at, end);
        assert.equal(new TextDecoder().decode(bytes), contents[id]);
      }
    }),
    { numRuns: draws(500) },
  );
});
