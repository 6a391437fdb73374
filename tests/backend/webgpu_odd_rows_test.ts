/**
 * Matrices of two bytes a number whose rows are filled up to eights: the
 * gradient of logits of an odd vocabulary.
 */

import assert from "node:assert/strict";
import type { Executable } from "../../src/backend/backend.ts";
import { openReferenceBackend } from "../../src/backend/reference/backend.ts";
import { rowOf, storedLength } from "../../src/backend/webgpu/dispatch.ts";
import { parseVariant } from "../../src/backend/webgpu/gemm/gemm_choice.ts";
import type { LowerOptions } from "../../src/backend/webgpu/lower.ts";
import { decodeFloats, encodeFloats } from "../../src/base/float_formats.ts";
import { Graph } from "../../src/graph/graph.ts";
import { plan } from "../../src/graph/plan.ts";
import type { Program } from "../../src/graph/program.ts";
import { matrixDevices } from "./_matrix_units.ts";
import { normal } from "./_op_inputs.ts";
import { openSpirvMachine } from "./_spirv_backend.ts";
import { noAdapter, openTestGpu } from "./_webgpu.ts";

const ROWS = 37, C = 32;
/** One more and one less than a multiple of eight, and one of two. */
const VOCABULARIES = [65, 63, 26];
/** Of threads with and without workgroup memory, and with k in parts. */
const TILES = [
  "32x32x16 4x4 staged row",
  "32x32x4 4x4 direct row",
  "32x32x16 4x4 ahead row / 2",
];

type Options = Pick<LowerOptions, "stored" | "gemmVariant">;

Deno.test("rowOf() fills rows of two bytes up to eights", () => {
  assert.equal(rowOf([3, 65], "bf16"), 72);
  assert.equal(rowOf([3, 63], "f16"), 64);
  assert.equal(rowOf([3, 12], "bf16"), 12); // four at a time
  assert.equal(rowOf([3, 65], "f32"), 65);
  assert.equal(storedLength([2, 3, 65], "bf16"), 2 * 3 * 72);
});

/** Both products of a matrix of odd rows, against sums of f64. */
async function expectProducts(
  V: number,
  compile: (program: Program, options: Options) => Promise<Executable>,
  gemmVariant: LowerOptions["gemmVariant"],
): Promise<void> {
  const g = new Graph();
  const odd = g.state("odd", [ROWS, V]);
  g.matmul(odd, g.state("w", [V, C]), { out: g.state("dX", [ROWS, C]) });
  g.matmul(odd, g.state("x", [ROWS, C]), {
    ...{ transA: true, out: g.state("dW", [V, C]) },
  });
  const stored = { odd: "bf16" } as const;
  const executable = await compile(plan({ g }), { stored, gemmVariant });
  // Small whole numbers, which bf16 and f16 have.
  const whole = (seed: number, length: number) =>
    normal(seed, [length], { scale: 5 }).data.map(Math.round);
  const given = whole(1, ROWS * V), w = whole(2, V * C);
  const x = whole(3, ROWS * C);
  const row = rowOf([ROWS, V], "bf16");
  const filled = new Float32Array(ROWS * row);
  given.forEach((number, i) => {
    filled[Math.floor(i / V) * row + i % V] = number;
  });
  executable.write(
    "odd",
    new Uint32Array(encodeFloats(filled, "BF16").slice().buffer),
  );
  executable.write("w", w);
  executable.write("x", x);
  await executable.run("g");
  const dX = await executable.read("dX"), dW = await executable.read("dW");
  for (let c = 0; c < C; c++) {
    for (let r = 0; r < ROWS; r++) {
      let sum = 0;
      for (let v = 0; v < V; v++) sum += given[r * V + v] * w[v * C + c];
      assert.equal(dX[r * C + c], sum, `dX of V ${V} at ${r}, ${c}`);
    }
    for (let v = 0; v < V; v++) {
      let sum = 0;
      for (let r = 0; r < ROWS; r++) sum += given[r * V + v] * x[r * C + c];
      assert.equal(dW[v * C + c], sum, `dW of V ${V} at ${v}, ${c}`);
    }
  }
  await executable.dispose();
}

const MACHINE: Omit<LowerOptions, "gemmVariant"> = {
  ...{ maxBindingBytes: 2 ** 27, maxBindings: 8, fuse: true },
  attention: () => ({ flow: "direct" }),
  precision: "bf16",
};

Deno.test("products read rows that are filled up: SPIR-V", async () => {
  for (const tile of TILES) {
    for (const V of VOCABULARIES) {
      await expectProducts(
        V,
        (program, options) =>
          openSpirvMachine({ ...MACHINE, ...options }).compile(program),
        () => parseVariant(tile),
      );
    }
  }
});

Deno.test("products read rows that are filled up: WebGPU", {
  ignore: noAdapter,
}, async () => {
  const gpu = await openTestGpu({ precision: "bf16" });
  for (const tile of TILES) {
    for (const V of VOCABULARIES) {
      await expectProducts(
        V,
        (program, options) => gpu.compile(program, options),
        () => parseVariant(tile),
      );
    }
  }
  await gpu.dispose();
});

for (const { unit, open } of matrixDevices) {
  Deno.test(`products read rows that are filled up: units of ${unit.scalar}`, async () => {
    const gpu = await open();
    await expectProducts(
      VOCABULARIES[0], // the others take as long to compile
      (program, { stored }) => gpu.compile(program, { stored }),
      () => assert.fail("the device has its own"),
    );
    await gpu.dispose();
  });
}

Deno.test("crossEntropyBackward() fills rows of bf16 up with zeros", async () => {
  for (const V of VOCABULARIES) {
    const g = new Graph();
    const record = (out: ReturnType<Graph["state"]>) =>
      g.record("crossEntropyBackward", {
        in: {
          dRowLoss: g.state("dRowLoss", [ROWS]),
          logits: g.state("logits", [ROWS, V]),
          targets: g.input("targets", [ROWS], "u32"),
          lse: g.state("lse", [ROWS]),
        },
        out: { out },
        attrs: { rows: ROWS, V },
      });
    record(g.state("odd", [ROWS, V]));
    const program = plan({ g });
    const results = [
      openReferenceBackend(),
      openSpirvMachine({
        ...MACHINE,
        stored: { odd: "bf16" },
        gemmVariant: () => assert.fail("there is no product"),
      }),
    ].map(async (backend) => {
      const executable = await backend.compile(program);
      const logits = normal(1, [ROWS, V]).data;
      executable.write("dRowLoss", normal(2, [ROWS]).data);
      executable.write("logits", logits);
      executable.write("lse", normal(3, [ROWS], { shift: 4 }).data);
      executable.write(
        "targets",
        Uint32Array.from(
          { length: ROWS },
          (_, i) => i % 5 === 0 ? 0xffffffff : (i * 7) % V,
        ),
      );
      await executable.run("g");
      return await executable.read("odd");
    });
    const [want, got] = await Promise.all(results);
    const row = rowOf([ROWS, V], "bf16");
    const numbers = decodeFloats(new Uint8Array(got.slice().buffer), "BF16");
    for (let r = 0; r < ROWS; r++) {
      for (let v = 0; v < row; v++) {
        const exact = v < V ? want[r * V + v] : 0;
        const off = Math.abs(numbers[r * row + v] - exact);
        assert.ok(off <= Math.abs(exact) * 2 ** -8, `V ${V} at ${r}, ${v}`);
      }
    }
  }
});
