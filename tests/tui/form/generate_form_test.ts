import assert from "node:assert/strict";
import { DEFAULT_GENERATION } from "../../../src/generate/generate.ts";
import {
  generateFields,
  generateProblems,
  generateSettings,
  withNextSeed,
} from "../../../src/tui/form/generate_form.ts";

Deno.test("generateSettings() are the defaults of the command line, changed", () => {
  assert.deepEqual(generateSettings({}), DEFAULT_GENERATION);
  assert.deepEqual(
    generateSettings({ "max-new-tokens": "5", "top-p": " 0.9 ", seed: "" }),
    { ...DEFAULT_GENERATION, maxNewTokens: 5, topP: 0.9 },
  );
  assert.equal(withNextSeed({ seed: "41" }).seed, "42");
  assert.equal(withNextSeed({}).seed, "1338");
});

Deno.test("generateProblems() say what is allowed, field by field", () => {
  assert.deepEqual(
    generateProblems({
      temperature: "-1",
      "top-k": "many",
      "top-p": "0",
      "max-new-tokens": "3",
      prompt: "anything",
    }),
    {
      temperature: "expected 0 or more",
      "top-k": "expected a whole number of 0 or more",
      "top-p": "expected above 0 and at most 1",
    },
  );
});

Deno.test("generateFields() offer the models, and to compare two", () => {
  const fields = generateFields(["owl-1/latest", "owl-1/500"]);
  const find = (name: string) => fields.find((field) => field.name === name)!;
  assert.equal(find("model").placeholder, "owl-1/latest");
  assert.deepEqual(find("model").suggestions, ["owl-1/500"]);
  assert.equal(find("beside").placeholder, "none");
  assert.deepEqual(find("beside").suggestions, ["owl-1/latest", "owl-1/500"]);
  assert.equal(find("temperature").placeholder, "0.8");
});
