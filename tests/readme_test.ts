import assert from "node:assert/strict";

const root = new URL("../", import.meta.url);
const readme = await Deno.readTextFile(new URL("README.md", root));

Deno.test("README names every folder of src/ and of the repository", async () => {
  const wanted: string[] = [];
  for (const parent of ["", "src/"]) {
    for await (
      const { name, isDirectory } of Deno.readDir(new URL(parent, root))
    ) {
      // `dist` is made by builds; hidden folders serve tools.
      if (!isDirectory || name.startsWith(".") || name === "dist") continue;
      if (parent + name !== "src") wanted.push(`\`${parent}${name}/\``);
    }
  }
  assert.deepEqual(wanted.filter((name) => !readme.includes(name)), []);
});

Deno.test("docs/architecture.md names only files that exist", async () => {
  const text = await Deno.readTextFile(new URL("docs/architecture.md", root));
  const named = new Set(
    [...text.matchAll(/\b(?:[a-z]+\/)+\w+\.ts\b/g)].map(([path]) => path),
  );
  assert.ok(named.size > 15);
  for (const path of named) {
    const inRoot = path.startsWith("tests/") ? path : `src/${path}`;
    await Deno.stat(new URL(inRoot, root));
  }
});
