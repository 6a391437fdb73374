import assert from "node:assert/strict";
import type { Backend } from "../../../src/backend/backend.ts";
import { openReferenceBackend } from "../../../src/backend/reference/backend.ts";
import { WebGpuExecutable } from "../../../src/backend/webgpu/executable.ts";
import { canNormalize } from "../../../src/backend/webgpu/gemv/gemv_norm.ts";
import { canPair } from "../../../src/backend/webgpu/gemv/gemv_pairs.ts";
import { Graph } from "../../../src/graph/graph.ts";
import type { Bit } from "../../../src/graph/ops.ts";
import { plan } from "../../../src/graph/plan.ts";
import { sizeOf, type Tensor } from "../../../src/graph/tensor.ts";
import { assertOpClose, runOpCase } from "../_op_cases.ts";
import { normal, opCase } from "../_op_inputs.ts";
import type { OpCase } from "../_run_op_case.ts";
import { sumOf } from "../_tolerances.ts";
import { openSpirvMachine } from "../spirv/_backend.ts";
import { LEAST } from "./_lowered.ts";
import { noAdapter as ignore, openTestGpu } from "./_webgpu.ts";

/** A product with a bias. */
function product(
  [M, N, K]: readonly [number, number, number],
  { transA = 0, transB = 0, adds = false }: {
    transA?: Bit;
    transB?: Bit;
    /** With an `addTo` too: then it is compiled twice. */
    adds?: boolean;
  } = {},
): OpCase {
  const layout = `${transA ? " transA" : ""}${transB ? " transB" : ""}`;
  return opCase("matmul", `M=${M} N=${N} K=${K}${layout}`, {
    in: {
      a: normal(1, transA ? [K, M] : [M, K]),
      b: normal(2, transB ? [N, K] : [K, N]),
      bias: normal(3, [N]),
      ...adds && { addTo: normal(4, [M, N]) },
    },
    out: { out: [M, N] },
    attrs: { M, N, K, transA, transB },
    ...sumOf(K),
  });
}

Deno.test("products of few rows stay within what they are given: SPIR-V", async () => {
  const transB = 1, transA = 1, adds = true;
  const cases = [
    product([1, 36, 36], { adds }), // by two workgroups
    // More slices than one round of sums takes.
    product([1, 5, 260], { transB }),
    product([2, 8, 132]),
    // Vectors that are not whole at the end of a row, of the depth, of both.
    product([2, 6, 8], { transB, adds }),
    product([3, 8, 9], { adds }),
    product([3, 7, 13], { transA }),
    product([4, 8, 6], { transA, transB }),
  ];
  const reference = openReferenceBackend();
  const machine = openSpirvMachine({
    maxBindingBytes: 2 ** 27,
    maxBindings: LEAST.maxStorageBuffersPerShaderStage,
    gemmVariant: () => assert.fail("few rows are no tile"),
    attention: () => assert.fail("nothing attends"),
    precision: "fp32",
    fuse: true,
  });
  for (const one of cases) {
    const got = await runOpCase(machine, one);
    assertOpClose(one, got, await runOpCase(reference, one));
  }
});

Deno.test("canNormalize() fills 16 KiB of workgroup memory, and no more", () => {
  // 4096 numbers: 256 vectors of sums, 64 of their second round, 256 + 16 of
  // the norm's own sums, and the rows.
  const most = 4096 - 4 * 256 - 4 * 64 - (256 + 16);
  assert.ok(canNormalize({ M: 1, N: 4, K: most }));
  assert.ok(!canNormalize({ M: 1, N: 4, K: most + 4 }));
  assert.ok(canNormalize({ M: 4, N: 4, K: most / 4 }));
  assert.ok(!canNormalize({ M: 4, N: 4, K: most / 4 + 4 }));
  assert.ok(!canNormalize({ M: 1, N: 4, K: 6 }));
});

Deno.test("canPair() takes what is made of whole vectors", () => {
  const tensors = { in: {}, out: {} } as never;
  const swiglu = (F: number) =>
    canPair({
      op: "swiglu",
      ...{ in: tensors, out: tensors },
      attrs: { rows: 1, F },
    });
  assert.deepEqual([4, 6, 8].map(swiglu), [true, false, true]);
  const rope = (width: number, D: number) =>
    canPair({
      ...{ op: "rope", in: tensors, out: tensors },
      attrs: { rows: 1, width, nRotated: 1, D, theta: 1e4, inverse: 0 },
    });
  assert.ok(rope(16, 8));
  assert.ok(!rope(24, 12)); // half a head is no vector of four
  assert.ok(!rope(12, 8)); // columns behind the last head
});

Deno.test("webgpu: products of few rows agree with the reference", {
  ignore,
}, async () => {
  const transB = 1, transA = 1, adds = true;
  const cases = [
    // Vectors everywhere; the depth is no multiple of the threads that share it.
    product([1, 20, 36]),
    product([1, 44, 772], { adds }),
    product([1, 44, 772], { transB }),
    // Some rounds, written out and in a loop.
    product([1, 52, 3076]),
    product([1, 52, 5000], { transB }),
    product([3, 52, 2404], { adds }),
    product([2, 52, 2404], { transB }),
    // Many columns.
    product([1, 4100, 68]),
    product([1, 4100, 68], { transB }),
    // Vectors that are not whole at the end of a row, of the depth, of neither.
    product([2, 50, 260], { transB, adds }),
    product([1, 52, 257]),
    product([3, 51, 130], { adds }),
    product([3, 51, 131], { transB }),
    // Transposed rows: four are a vector.
    product([4, 52, 70], { transA }),
    product([4, 52, 72], { transA, transB }),
    product([3, 52, 71], { transA }),
  ];
  const reference = openReferenceBackend();
  const gpu = await openTestGpu();
  for (const one of cases) {
    const want = await runOpCase(reference, one);
    assertOpClose(one, await runOpCase(gpu, one), want);
  }
  await gpu.dispose();
});

/** A program of one phase, `g`, and the dispatches that are expected. */
interface Built {
  readonly g: Graph;
  readonly out: string;
  readonly dispatches: number;
}

/** What `record` makes of `rows` rows of C numbers, which are a temporary. */
function built(
  { rows, C, dispatches }: { rows: number; C: number; dispatches: number },
  record: (g: Graph, x: Tensor) => Tensor,
): Built {
  const g = new Graph();
  const half = g.scale(g.state("x", [rows, C]), 0.5);
  const y = record(g, half);
  g.add(y, y, { out: g.output("out", y.shape) });
  return { g, out: "out", dispatches: dispatches + 2 };
}

async function run(
  backend: Pick<Backend, "compile">,
  { g, out, dispatches }: Built,
): Promise<Float32Array> {
  const program = plan({ g });
  const executable = await backend.compile(program);
  if (executable instanceof WebGpuExecutable) {
    assert.equal(executable.dispatches("g").length, dispatches);
  }
  for (const { name, kind, shape, dtype } of program.persistent.values()) {
    if (dtype === "u32") {
      const length = sizeOf(shape);
      executable.write(name, Uint32Array.from({ length }, (_, i) => 3 + 5 * i));
    } else if (kind === "param" || name === "x") {
      const scale = shape.length === 2 && kind === "param" ? 0.2 : 1;
      executable.write(name, normal(name.length, [...shape], { scale }).data);
    }
  }
  await executable.run("g");
  const result = await executable.read(out) as Float32Array;
  await executable.dispose();
  return result;
}

const layerNorm = (g: Graph, x: Tensor) => {
  const C = x.shape[1];
  const { out } = g.layerNorm(
    x,
    g.param("weight", [C]),
    g.param("shift", [C]),
    1e-5,
  );
  return out;
};
const rmsNorm = (g: Graph, x: Tensor) =>
  g.rmsNorm(x, g.param("weight", [x.shape[1]]), 1e-5).out;

/** As models have them, for `rows` rows. */
function neighbours(rows: number): Record<string, Built> {
  const C = 72, F = 100;
  const fc = (g: Graph, x: Tensor) =>
    g.matmul(x, g.param("fc", [C, F]), { bias: g.param("bias", [F]) });
  return {
    "layer normalization, bias, GELU": built(
      { rows, C, dispatches: 1 },
      (g, x) => g.gelu(fc(g, layerNorm(g, x)), { tanh: true }),
    ),
    "GELU whose input is read again": built(
      { rows, C, dispatches: 2 },
      (g, x) => {
        const y = fc(g, x);
        return g.add(g.gelu(y, { tanh: false }), y);
      },
    ),
    "RMSNorm, SwiGLU": built({ rows, C, dispatches: 1 }, (g, x) =>
      g.swiglu(
        g.matmul(rmsNorm(g, x), g.param("up", [2 * F, C]), { transB: true }),
      )),
    "RMSNorm, rotary positions": built({ rows, C, dispatches: 1 }, (g, x) => {
      const D = 24; // three heads are rotated, the fourth is not
      const qkv = g.matmul(rmsNorm(g, x), g.param("qkv", [4 * D, C]), {
        transB: true,
      });
      const positions = g.input("positions", [rows], "u32");
      return g.rope(qkv, positions, { nRotated: 3, D, theta: 1e4 });
    }),
    "rotary positions, not transposed": built(
      { rows, C, dispatches: 1 },
      (g, x) => {
        const qkv = g.matmul(x, g.param("qkv", [C, 64]));
        const positions = g.input("positions", [rows], "u32");
        return g.rope(qkv, positions, { nRotated: 3, D: 16, theta: 1e4 });
      },
    ),
    "a norm of what is added, in its place": built(
      { rows, C, dispatches: 2 },
      (g, x) =>
        g.matmul(layerNorm(g, x), g.param("square", [C, C]), { addTo: x }),
    ),
    "a norm that is read twice": built({ rows, C, dispatches: 2 }, (g, x) => {
      const normed = layerNorm(g, x);
      return g.matmul(normed, g.param("square", [C, C]), { addTo: normed });
    }),
    "more columns than are worth a norm of each": built(
      { rows, C, dispatches: 2 },
      (g, x) => g.matmul(layerNorm(g, x), g.param("wide", [C, 8196])),
    ),
    "a row that is no whole vectors": built(
      { rows, C: 70, dispatches: 2 },
      (g, x) => g.matmul(rmsNorm(g, x), g.param("odd", [70, 24])),
    ),
  };
}

for (const rows of [1, 3]) {
  Deno.test(`webgpu: products of ${rows} rows with their neighbours`, {
    ignore,
  }, async (t) => {
    const reference = openReferenceBackend();
    const gpu = await openTestGpu();
    // The last ones are about what is not done, for which one row is enough.
    const some = Object.entries(neighbours(rows)).slice(0, rows > 1 ? 4 : 9);
    for (const [title, one] of some) {
      await t.step(title, async () => {
        const want = await run(reference, one);
        const got = await run(gpu, one);
        want.forEach((value, i) => {
          // f32 sums of 72 terms in another order, through a norm.
          const allowed = 1e-5 * Math.max(1, Math.abs(value));
          const isClose = Math.abs(got[i] - value) <= allowed;
          assert.ok(isClose, `${i}: ${got[i]}, ${value}`);
        });
      });
    }
    await gpu.dispose();
  });
}
