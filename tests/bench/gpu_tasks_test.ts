import assert from "node:assert/strict";

const root = new URL("../../", import.meta.url);

async function* testFiles(folder = "tests/"): AsyncGenerator<string> {
  for await (
    const { name, isDirectory } of Deno.readDir(new URL(folder, root))
  ) {
    if (isDirectory) yield* testFiles(`${folder}${name}/`);
    else if (name.endsWith(".ts")) yield folder + name;
  }
}

Deno.test("test:gpu runs every test that opens an adapter", async () => {
  const { tasks } = JSON.parse(
    await Deno.readTextFile(new URL("deno.json", root)),
  );
  const words: string[] = tasks["test:gpu"].command.split(" ");
  const paths = words.filter((word) => word.startsWith("tests/"));
  const left: string[] = [];
  for await (const file of testFiles()) {
    const text = await Deno.readTextFile(new URL(file, root));
    if (!/\/_(webgpu|faulty_gpu)\.ts"/.test(text)) continue;
    const isNamed = paths.some((path) =>
      file === path || file.startsWith(`${path}/`)
    );
    if (!isNamed) left.push(file);
  }
  assert.ok(paths.length > 4);
  assert.deepEqual(left, []);
});
