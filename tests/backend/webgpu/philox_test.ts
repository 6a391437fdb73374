import assert from "node:assert/strict";
import { openReferenceBackend } from "../../../src/backend/reference/backend.ts";
import { philoxFunction } from "../../../src/backend/webgpu/shader/philox.ts";
import { assertOpClose, opCases, runOpCase } from "../_op_cases.ts";
import { noAdapter, openTestGpu } from "./_webgpu.ts";

Deno.test("philoxFunction() takes u64 only where it is there", () => {
  assert.doesNotMatch(philoxFunction({ hasU64: false }), /u64|lu\b/);
  assert.match(philoxFunction({ hasU64: true }), /u64\(c\.x\)/);
});

// Other kernels of a device that has u64 are given it by themselves.
Deno.test("webgpu drops the same elements without u64", {
  ignore: noAdapter,
}, async () => {
  const reference = openReferenceBackend();
  const portable = await openTestGpu({ hasU64: false });
  const usual = await openTestGpu();
  const cases = opCases.filter(({ op }) => op === "dropout");
  assert.ok(cases.length > 2);
  for (const one of cases) {
    const got = await runOpCase(portable, one);
    assertOpClose(one, got, await runOpCase(reference, one));
    assert.deepEqual(got, await runOpCase(usual, one));
  }
  await portable.dispose();
  await usual.dispose();
});
