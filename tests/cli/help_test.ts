/** docs/cli.md holds the help of every command; what is printed is that. */

import assert from "node:assert/strict";
import { cliDocs } from "../../scripts/write_cli_docs.ts";
import { run } from "./_fake_io.ts";

const docs = await Deno.readTextFile(
  new URL("../../docs/cli.md", import.meta.url),
);

/** Every command with its help, as the document has them. */
const sections = [
  ...docs.matchAll(/^## (hearth.*)\n\n```text\n([^]*?)\n```$/gm),
].map(([, name, help]) => ({ name, help }));

Deno.test("docs/cli.md is up to date: deno task docs rewrites it", () => {
  assert.equal(docs, cliDocs());
  assert.ok(sections.length > 30);
});

for (const { name, help } of sections) {
  Deno.test(`${name} --help`, async () => {
    const [, ...words] = name.split(" ");
    const { code, out, err } = await run([...words, "--help"]);
    assert.deepEqual([code, out, err], [0, `${help}\n`, ""]);
    const wide = out.split("\n").filter((line) => line.length > 80);
    assert.deepEqual(wide, []);
    assert.equal(out.match(/^Examples:\n {2}\$ .+\n {2}\$ .+\n$/m)?.length, 1);
  });
}
