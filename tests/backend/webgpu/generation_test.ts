import assert from "node:assert/strict";
import { openReferenceBackend } from "../../../src/backend/reference/backend.ts";
import { tokenShape } from "../../../src/backend/webgpu/attention/attention_token_shape.ts";
import { sampleShape } from "../../../src/backend/webgpu/sampling/sample_shape.ts";
import { assertOpClose, opCases, runOpCase } from "../_op_cases.ts";
import { noAdapter, openTestGpu } from "./_webgpu.ts";

// A software adapter is given fewer workgroups by itself.
Deno.test("webgpu attends and draws as on a card", {
  ignore: noAdapter,
}, async () => {
  const reference = openReferenceBackend();
  const gpu = await openTestGpu({ isSoftware: false });
  const few = /V=(5|1009) |^sample (draw|of) /; // in one dispatch on both
  const cases = opCases.filter(({ op, name }) =>
    op === "sample" ? !few.test(name) : name.startsWith("attentionCached T=1 ")
  );
  assert.ok(cases.length > 35, `${cases.length}`);
  for (const one of cases) {
    const got = await runOpCase(gpu, one);
    assertOpClose(one, got, await runOpCase(reference, one));
  }
  await gpu.dispose();
});

Deno.test("a token of GPT-2 has many workgroups on a card, few in software", () => {
  const attrs = { T: 1, S: 1055, H: 12, Hkv: 12, D: 64 };
  const card = tokenShape(attrs, { isSoftware: false });
  assert.deepEqual([card.parts, card.partKeys], [17, 64]);
  assert.equal(tokenShape(attrs, { isSoftware: true }).parts, 1);
  assert.equal(sampleShape(50257, { isSoftware: false }).blocks, 50);
  assert.ok(sampleShape(50257, { isSoftware: true }).blocks <= 8);
});

Deno.test("sampleShape() has room for every id, and few groups", () => {
  for (const isSoftware of [false, true]) {
    for (const V of [1025, 5000, 50_257, 262_145, 1_000_003]) {
      const { block, blocks, groups } = sampleShape(V, { isSoftware });
      assert.ok(block * blocks >= V && block * (blocks - 1) < V, `${V}`);
      assert.ok(blocks <= 256 && groups <= 1024, `${V}`);
    }
  }
});
