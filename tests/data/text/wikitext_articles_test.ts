import assert from "node:assert/strict";
import { join } from "node:path";
import { joinArticles } from "../../../src/data/text/wikitext_articles.ts";
import { wikitextFolder, wikitextRows } from "../_wikitext.ts";

Deno.test("joinArticles() begins a document at every title", async () => {
  const text = " \n = One = \n \n A line . \n \n = = Part = = \n \n x = y \n" +
    " = not a title = \n \n = Two = 2 = \n \n Another . \n";
  assert.deepEqual(await articles(text), [
    " \n = One = \n \n A line . \n \n = = Part = = \n \n x = y \n" +
    " = not a title = \n \n",
    " = Two = 2 = \n \n Another . \n",
  ]);
});

Deno.test("joinArticles() keeps text without any title", async () => {
  assert.deepEqual(await articles("one \n \n two \n"), ["one \n \n two \n"]);
  assert.deepEqual(await articles(" \n = Title = \n"), [" \n = Title = \n"]);
  assert.deepEqual(await articles(""), []);
});

Deno.test({
  name: "joinArticles() gives back the text of WikiText-2, byte for byte",
  ignore: wikitextFolder() === null,
  async fn() {
    const path = join(wikitextFolder()!, "valid.txt");
    const text = await Deno.readTextFile(path);
    const documents = await articles(text);
    assert.equal(documents.length, 60); // as its authors say
    assert.ok(documents.join("") === text);
  },
});

async function articles(text: string): Promise<string[]> {
  async function* rows() {
    yield* wikitextRows(text);
  }
  return await Array.fromAsync(joinArticles(rows()));
}
