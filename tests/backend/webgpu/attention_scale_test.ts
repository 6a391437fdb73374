/** Gradients in fp16, which attention's units take times a power of two. */

import assert from "node:assert/strict";
import type { Backend } from "../../../src/backend/backend.ts";
import { openReferenceBackend } from "../../../src/backend/reference/backend.ts";
import {
  canMatrixGradient,
  gradientTiles,
} from "../../../src/backend/webgpu/attention_matrix/attention_matrix_part.ts";
import { parseVariant } from "../../../src/backend/webgpu/choice/gemm_choice.ts";
import { gradients } from "../../../src/graph/gradients.ts";
import { Graph } from "../../../src/graph/graph.ts";
import { plan } from "../../../src/graph/plan.ts";
import { normal } from "../_op_inputs.ts";
import { openSpirvMachine } from "../spirv/_backend.ts";

const UNIT = { M: 16, N: 16, K: 16, scalar: "f16", lanes: 32 } as const;
const WORKGROUP_BYTES = 48 << 10;
/** Positions, each of which is the target of one, and the size of the head. */
const T = 20, C = 16;

Deno.test("attention's gradient in fp16 keeps its digits however small it is", async () => {
  const [tile] = gradientTiles(UNIT, {});
  assert.ok(canMatrixGradient({ D: C }, tile, WORKGROUP_BYTES));
  const machine = openSpirvMachine({
    ...{ maxBindingBytes: 2 ** 27, maxBindings: 9, hasU64: true },
    workgroupBytes: WORKGROUP_BYTES,
    attention: ({ op }) => op === "attention" ? { flow: "direct" } : tile,
    gemmVariant: () => parseVariant("32x32x4 4x4 direct row"),
    ...{ precision: "fp16", unit: UNIT, fuse: true },
  });
  const targets = Uint32Array.from({ length: T }, (_, i) => i);
  /** That of the matrix that makes queries, keys and values. */
  const gradient = async (backend: Pick<Backend, "compile">, scale: number) => {
    const g = new Graph();
    const P = g.param("P", [C, 3 * C]), W = g.param("W", [C, T]);
    const x = g.input("x", [T, C], "f32");
    const sizes = { B: 1, T, H: 1, Hkv: 1, D: C };
    const { out } = g.attention(g.matmul(x, P), sizes);
    const ids = g.input("targets", [T], "u32");
    const { rowLoss } = g.crossEntropy(g.matmul(out, W), ids);
    const dP = g.state("dP", [C, 3 * C]), dW = g.state("dW", [C, T]);
    gradients(g, g.meanLoss(rowLoss, ids, { scale }), {
      into: new Map([
        [P, { out: dP, accumulate: false }],
        [W, { out: dW, accumulate: false }],
      ]),
    });
    const executable = await backend.compile(plan({ g }));
    for (const [i, { name, shape }] of [P, W, x].entries()) {
      executable.write(name, normal(i + 1, [...shape], { scale: 0.5 }).data);
    }
    executable.write("targets", targets);
    await executable.run("g");
    return await executable.read("dP") as Float32Array;
  };
  const got = await gradient(machine, 1);
  const want = await gradient(openReferenceBackend(), 1);
  const size = Math.sqrt(want.reduce((sum, x) => sum + x * x, 0) / want.length);
  // Other gradients are stored in bf16, each off by 2^-9 of itself at most.
  want.forEach((value, i) => {
    const error = Math.abs(got[i] - value);
    assert.ok(error < 2 ** -7 * size, `[${i}]: ${got[i]}, ${value}`);
  });
  // Of f16 without a scale, nothing were left of it.
  const small = await gradient(machine, 2 ** -30);
  assert.deepEqual(small, got.map((x) => x * 2 ** -30));
});
