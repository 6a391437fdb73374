import assert from "node:assert/strict";
import {
  KERNEL_GENERATION,
  withGeneration,
} from "../../src/backend/kernel_generation.ts";

Deno.test("withGeneration() names all generations but the first", () => {
  assert.ok(KERNEL_GENERATION.webgpu > 1);
  const named = withGeneration("WGSL on X", "webgpu");
  assert.equal(named, `WGSL on X, generation ${KERNEL_GENERATION.webgpu}`);
  // Checkpoints of the first have no number, and are not warned of.
  assert.equal(KERNEL_GENERATION.cpu, 1);
  assert.equal(withGeneration("wasm", "cpu"), "wasm");
});
