import assert from "node:assert/strict";
import { buildKernels } from "../../../scripts/build_kernels.ts";

Deno.test("the committed kernels are what their sources compile to", async () => {
  const root = new URL("../../../src/backend/cpu/", import.meta.url);
  for (const [path, text] of Object.entries(await buildKernels())) {
    const committed = await Deno.readTextFile(new URL(path, root));
    assert.ok(committed === text, `${path} differs: run deno task kernels`);
  }
});
