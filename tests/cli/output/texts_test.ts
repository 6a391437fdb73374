import assert from "node:assert/strict";
import { App } from "../../../src/cli/app.ts";
import type { Io } from "../../../src/cli/io.ts";
import { writeTexts } from "../../../src/cli/output/texts.ts";
import type { OpenModel } from "../../../src/generate/open_model.ts";

Deno.test("writeTexts() ends the line of a text that fails", async () => {
  let out = "";
  const stdout = { isTty: true, write: (text: string) => void (out += text) };
  const model = {
    countUnknown: () => 0,
    async *generate() {
      yield { id: 1, text: " upon" };
      await Promise.reject(new Error("Lost NVIDIA A30"));
    },
  } as unknown as OpenModel;
  const writing = writeTexts(new App({ stdout } as Io), model, {
    flags: {},
    prompt: "Once",
    signal: new AbortController().signal,
  });
  await assert.rejects(writing, /^Error: Lost NVIDIA A30$/);
  assert.equal(out, "Once upon\n");
});
