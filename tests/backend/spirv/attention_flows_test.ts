/**
 * Attention as the kernels for cards compute it, whose threads share factors in
 * workgroup memory: by the machine, which sees races and what nobody wrote.
 */

import assert from "node:assert/strict";
import { openReferenceBackend } from "../../../src/backend/reference/backend.ts";
import type { TileAttention } from "../../../src/backend/webgpu/attention/attention_tile.ts";
import { attentionCasesOf } from "../_attention_cases.ts";
import { assertOpClose, type OpCase, runOpCase } from "../_run_op_case.ts";
import { LEAST } from "../webgpu/_lowered.ts";
import { openSpirvMachine } from "./_backend.ts";

const [two, whole, long, small] = [
  // Two tiles, shared keys, heads that are no vectors.
  { B: 1, T: 66, H: 2, Hkv: 1, D: 3, p: 0 },
  // A whole tile, in which threads have a part of the keys; dropout.
  { B: 1, T: 64, H: 1, Hkv: 1, D: 20, p: 0.5 },
  // Heads that are cut in two.
  { B: 1, T: 3, H: 1, Hkv: 1, D: 72, p: 0 },
  // Two of the tiles that threads read from memory.
  { B: 1, T: 34, H: 1, Hkv: 1, D: 3, p: 0 },
].map((size) => {
  const [forward, gradient] = attentionCasesOf([size]);
  return { forward, gradient };
});

for (
  const [flow, cases] of [
    [{ flow: "staged" }, [whole.forward, whole.gradient, long.gradient]],
    [{ flow: "tall" }, [
      ...[two.forward, two.gradient, whole.forward, whole.gradient],
    ]],
    [{ flow: "kept" }, [two.gradient, whole.gradient]],
    // That of queries is another kernel then, nothing else.
    [{ flow: "staged", again: true }, [whole.gradient]],
    [{ flow: "tall", again: true }, [two.gradient]],
    [{ flow: "direct", again: true }, [small.gradient]],
  ] satisfies [TileAttention, OpCase[]][]
) {
  const title = `${flow.flow}${"again" in flow ? ", again" : ""}`;
  Deno.test(`attention by the machine: ${title}`, async () => {
    const reference = openReferenceBackend();
    const machine = openSpirvMachine({
      maxBindingBytes: 2 ** 27,
      maxBindings: LEAST.maxStorageBuffersPerShaderStage,
      gemmVariant: () => assert.fail("nothing is multiplied"),
      attention: () => flow,
      precision: "fp32",
      fuse: true,
    });
    for (const one of cases) {
      const want = await runOpCase(reference, one);
      assertOpClose(one, await runOpCase(machine, one), want);
    }
  });
}
