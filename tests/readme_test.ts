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

/** Names begin in one of these. */
const FOLDERS = [
  "",
  "src/",
  "src/backend/",
  "src/backend/cpu/",
  "src/backend/vulkan/",
  "src/backend/webgpu/",
];

/** What is said of the code. */
const SAY_FILES = [
  "CONTRIBUTING.md",
  "README.md",
  "docs/architecture.md",
  "docs/correctness.md",
  "docs/gpu_performance.md",
  "docs/performance.md",
  "docs/tuning.md",
];

Deno.test("documents name only source files that exist", async () => {
  const dead: string[] = [];
  let count = 0;
  for (const document of SAY_FILES) {
    const text = await Deno.readTextFile(new URL(document, root));
    for (const [path] of text.matchAll(/\b(?:[a-z_]+\/)+\w+\.ts\b/g)) {
      count++;
      const isThere = await Promise.any(
        FOLDERS
          .map((folder) => Deno.stat(new URL(folder + path, root))),
      ).then(() => true, () => false);
      if (!isThere) dead.push(`${document}: ${path}`);
    }
  }
  assert.deepEqual(dead, []);
  assert.ok(count > 60, `${count} names`);
});
