/**
 * Matrices whose rows are filled up to eights: logits of an odd vocabulary, and
 * their gradient.
 */

import assert from "node:assert/strict";
import type { Backend, Executable } from "../../../src/backend/backend.ts";
import { openReferenceBackend } from "../../../src/backend/reference/backend.ts";
import {
  rowOf,
  storedLength,
  type StoredPrecision,
} from "../../../src/backend/webgpu/dispatch.ts";
import { parseVariant } from "../../../src/backend/webgpu/choice/gemm_choice.ts";
import type { LowerOptions } from "../../../src/backend/webgpu/lowering/lower.ts";
import { chooseStorage } from "../../../src/backend/webgpu/lowering/storage.ts";
import { decodeFloats, encodeFloats } from "../../../src/base/float_formats.ts";
import { gradients } from "../../../src/graph/gradients.ts";
import { Graph } from "../../../src/graph/graph.ts";
import { IGNORED_TARGET } from "../../../src/graph/ops.ts";
import { plan } from "../../../src/graph/plan.ts";
import type { PlacedTensor, Program } from "../../../src/graph/program.ts";
import type { Tensor } from "../../../src/graph/tensor.ts";
import { resolveModel } from "../../../src/model/model_config.ts";
import { buildStepProgram } from "../../../src/train/step_program.ts";
import { tinyConfig } from "../../train/_helpers.ts";
import { normal } from "../_op_inputs.ts";
import { openSpirvMachine } from "../spirv/_backend.ts";
import { matrixDevices, onUnit } from "./_matrix_units.ts";
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

Deno.test("rowOf() fills rows up to eights, long ones to lines", () => {
  assert.equal(rowOf([3, 65], "bf16"), 72);
  assert.equal(rowOf([3, 63], "f16"), 64);
  assert.equal(rowOf([3, 12], "bf16"), 12); // four at a time
  assert.equal(rowOf([3, 65], "f32"), 65);
  assert.equal(rowOf([3, 65], "filled"), 72);
  assert.equal(rowOf([3, 68], "filled"), 68);
  assert.equal(rowOf([3, 50257], "filled"), 786 * 64);
  assert.equal(rowOf([3, 50257], "bf16"), 786 * 64);
  assert.equal(storedLength([2, 3, 65], "bf16"), 2 * 3 * 72);
});

/** How logits and their gradient are stored; "" where as the program says. */
function storedLogits(
  precision: StoredPrecision,
  { vocabSize = 65, seqLen = 8 } = {},
): string {
  const config = tinyConfig({
    model: { arch: "gpt2", nLayer: 1, nHead: 2, nEmbd: 16, seqLen },
  });
  const { phases } = buildStepProgram(resolveModel(config.model, vocabSize), {
    ...config.train,
    ...{ batchSize: 1, gradAccumSteps: 1 },
  });
  const calls = phases.firstMicroStep;
  const storage = chooseStorage(calls, precision);
  const found = calls.find(({ op }) => op === "crossEntropyBackward")!;
  const { logits, out } = { ...found.in, ...found.out } as unknown as Record<
    string,
    PlacedTensor
  >;
  return `${storage.get(logits) ?? ""}, ${storage.get(out) ?? ""}`;
}

Deno.test("chooseStorage() fills up what products, losses and their gradients use", () => {
  assert.equal(storedLogits("fp32"), "filled, filled");
  assert.equal(storedLogits("bf16"), "filled, bf16");
  assert.equal(storedLogits("fp16"), "filled, bf16");
  assert.equal(storedLogits("fp32", { vocabSize: 64 }), ", ");
  // Kernels of few rows read and write them as they are.
  assert.equal(storedLogits("bf16", { seqLen: 4 }), ", ");
});

Deno.test("chooseStorage() refuses what another kernel uses too", () => {
  const stored = (record: (g: Graph, logits: Tensor) => void) => {
    const g = new Graph();
    const logits = g.matmul(g.state("x", [ROWS, C]), g.state("w", [C, 65]));
    g.crossEntropy(logits, g.input("targets", [ROWS], "u32"));
    record(g, logits);
    return [...chooseStorage(plan({ g }).phases.g, "fp32").values()];
  };
  assert.deepEqual(stored(() => {}), ["filled"]);
  // What lies behind the ends of its rows is no factor.
  const w = (g: Graph) => g.state("w2", [65, C]);
  assert.deepEqual(stored((g, logits) => g.matmul(logits, w(g))), []);
  assert.deepEqual(
    stored((g, logits) => g.sumRows(logits, { out: g.state("sums", [65]) })),
    [],
  );
  assert.deepEqual(stored((g, logits) => g.add(logits, logits)), []);
  const g = new Graph();
  const logits = g.matmul(g.state("x", [ROWS, C]), g.state("w", [C, 65]), {
    bias: g.state("bias", [65]),
  });
  g.crossEntropy(logits, g.input("targets", [ROWS], "u32"));
  assert.equal(chooseStorage(plan({ g }).phases.g, "fp32").size, 0);
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

/** Sizes of logits, and how their weight lies. */
interface Head {
  readonly rows?: number;
  readonly V: number;
  readonly transB: boolean;
}

/** Losses of some logits and the gradients of what makes them. */
function headProgram({ rows = ROWS, V, transB }: Head): Program {
  const g = new Graph();
  const x = g.param("x", [rows, C]);
  const w = g.param("w", transB ? [V, C] : [C, V]);
  const targets = g.input("targets", [rows], "u32");
  const { rowLoss } = g.crossEntropy(g.matmul(x, w, { transB }), targets);
  const into = (one: Tensor) =>
    [one, {
      out: g.state(`d.${one.name}`, [...one.shape]),
      accumulate: false,
    }] as const;
  const loss = g.meanLoss(rowLoss, targets, {
    ...{ scale: 1, out: g.state("loss", [1]) },
  });
  gradients(g, loss, { into: new Map([into(x), into(w)]) });
  return plan({ g });
}

async function headResults(
  backend: Pick<Backend, "compile">,
  head: Head,
): Promise<Record<string, Float32Array>> {
  const { rows = ROWS, V } = head;
  const executable = await backend.compile(headProgram(head));
  executable.write("x", normal(1, [rows, C]).data);
  executable.write("w", normal(2, [V, C]).data);
  executable.write("targets", someTargets(V, rows));
  await executable.run("g");
  const results: Record<string, Float32Array> = {};
  for (const name of ["loss", "d.x", "d.w"]) {
    results[name] = await executable.read(name) as Float32Array;
  }
  await executable.dispose();
  return results;
}

function someTargets(V: number, rows: number): Uint32Array<ArrayBuffer> {
  return Uint32Array.from(
    { length: rows },
    (_, i) => i % 5 === 0 ? IGNORED_TARGET : (i * 7 + V - 1) % V,
  );
}

/** @param allowed Of the size of each result, so much. */
async function expectHead(
  backend: Pick<Backend, "compile">,
  { allowed, ...head }: Head & { allowed: number },
): Promise<void> {
  const want = await headResults(openReferenceBackend(), head);
  const got = await headResults(backend, head);
  for (const [name, numbers] of Object.entries(want)) {
    const size = Math.max(...numbers.map(Math.abs));
    numbers.forEach((number, i) => {
      const error = Math.abs(got[name][i] - number);
      assert.ok(
        error <= allowed * size,
        `${name}[${i}] of V ${head.V}: ${got[name][i]}, ${number}`,
      );
    });
  }
}

/** Sums of f32 of some dozen terms in another order, in a row. */
const OF_F32 = 1e-5;
/** Factors and gradients are rounded to 8 bits. */
const OF_BF16 = 2 ** -6;

// All temporaries of that machine are NaN before they are written.
Deno.test("logits of odd vocabularies make losses and gradients: SPIR-V", async () => {
  for (const [i, tile] of TILES.entries()) {
    const options = { ...MACHINE, gemmVariant: () => parseVariant(tile) };
    await expectHead(openSpirvMachine({ ...options, precision: "fp32" }), {
      ...{ V: VOCABULARIES[i], transB: i !== 1, allowed: OF_F32 },
    });
    if (i > 0) continue;
    await expectHead(openSpirvMachine(options), {
      ...{ V: VOCABULARIES[i], transB: true, allowed: OF_BF16 },
    });
  }
});

Deno.test("logits of odd vocabularies make losses and gradients: units of SPIR-V", async () => {
  const unit = { M: 16, N: 16, K: 16, scalar: "bf16", lanes: 32 } as const;
  const run = (tile: string, head: Head) => {
    const gemmVariant = () => onUnit(tile, unit);
    const options = { ...MACHINE, unit, gemmVariant };
    return expectHead(openSpirvMachine(options), {
      ...{ ...head, allowed: OF_BF16 },
    });
  };
  await run("32x32x16 16x32 / 2", { V: 65, transB: true });
  // Whole tiles, with what fills up rows: units of results are stored alone.
  await run("32x32x16 16x32", { rows: 64, V: 63, transB: true });
  await run("32x32x16 16x32", { V: 26, transB: false });
});

Deno.test("logits of odd vocabularies make losses and gradients: WebGPU", {
  ignore: noAdapter,
}, async () => {
  for (const precision of ["fp32", "bf16"] as const) {
    const gpu = await openTestGpu({ precision });
    for (const [i, tile] of TILES.entries()) {
      const gemmVariant = () => parseVariant(tile);
      for (const transB of [true, false]) {
        await expectHead({
          compile: (program) => gpu.compile(program, { gemmVariant }),
        }, {
          ...{ V: VOCABULARIES[i], transB },
          allowed: precision === "fp32" ? OF_F32 : OF_BF16,
        });
      }
    }
    await gpu.dispose();
  }
});

for (const { unit, open } of matrixDevices) {
  Deno.test(`logits of odd vocabularies make losses and gradients: units of ${unit.scalar}`, async () => {
    for (const tile of ["32x32x16 16x16", "32x32x16 16x16 / 2"]) {
      const gpu = await open(tile);
      for (const transB of [true, false]) {
        await expectHead(gpu, { V: 65, transB, allowed: OF_BF16 });
      }
      await gpu.dispose();
    }
  });
}

/** Long enough that a thread reads some vectors at once, and others not. */
const LONG = { V: 4 * 4 * 256 + 4 * 300 + 1, rows: 3 };

const WAYS: readonly NonNullable<LowerOptions["stored"]>[] = [
  {},
  { logits: "filled", out: "filled" },
  { logits: "filled", out: "bf16" },
  { out: "bf16" },
  { logits: "filled" },
];

Deno.test("nothing is read behind the ends of rows of logits", async (t) => {
  const gpu = noAdapter ? null : await openTestGpu();
  const sizes = [
    ...VOCABULARIES.map((V) => ({ V, rows: ROWS })),
    LONG,
    { ...LONG, V: LONG.V + 3 }, // with no rest, and nothing to fill up
  ];
  for (const { V, rows } of sizes) {
    const g = new Graph();
    const logits = g.state("logits", [rows, V]);
    const targets = g.input("targets", [rows], "u32");
    g.record("crossEntropy", {
      in: { logits, targets },
      out: { rowLoss: g.state("rowLoss", [rows]), lse: g.state("lse", [rows]) },
      attrs: { rows, V },
    });
    const dRowLoss = g.state("dRowLoss", [rows]);
    const out = g.state("out", [rows, V]);
    g.record("crossEntropyBackward", {
      in: { dRowLoss, logits, targets, lse: g.state("lse", [rows]) },
      out: { out },
      attrs: { rows, V },
    });
    const program = plan({ g });
    const given = normal(1, [rows, V], { scale: 3 }).data;
    const run = async (
      backend: Pick<Backend, "compile">,
      logitsRow: number,
    ) => {
      const executable = await backend.compile(program);
      const filled = new Float32Array(rows * logitsRow).fill(NaN);
      given.forEach((number, i) => {
        filled[Math.floor(i / V) * logitsRow + i % V] = number;
      });
      executable.write("logits", filled);
      executable.write("dRowLoss", normal(2, [rows]).data);
      executable.write("targets", someTargets(V, rows));
      await executable.run("g");
      const results = await executable.readAll(["rowLoss", "lse", "out"]);
      await executable.dispose();
      return results;
    };
    const want = await run(openReferenceBackend(), V);
    const check = async (
      stored: typeof WAYS[number],
      backend: Pick<Backend, "compile">,
    ) => {
      const row = rowOf([rows, V], stored.logits ?? "f32");
      const [rowLoss, lse, out] = await run(backend, row);
      const close = (got: number, want: number, what: string, share = 0) =>
        assert.ok(
          Math.abs(got - want) <= OF_F32 + share * Math.abs(want),
          `${what} of V ${V}: ${got}, ${want}`,
        );
      for (let r = 0; r < rows; r++) {
        close(rowLoss[r], want[0][r], `loss ${r}`);
        close(lse[r], want[1][r], `lse ${r}`);
      }
      const outRow = rowOf([rows, V], stored.out ?? "f32");
      const numbers = stored.out === "bf16"
        ? decodeFloats(new Uint8Array(out.slice().buffer), "BF16")
        : out;
      for (let r = 0; r < rows; r++) {
        for (let v = 0; v < outRow; v++) {
          const got = numbers[r * outRow + v];
          const what = `gradient at ${r}, ${v}`;
          if (v >= V) assert.equal(got, 0, what); // factors read it
          else {
            const share = stored.out === "bf16" ? 2 ** -8 : 0;
            close(got, want[2][r * V + v], what, share);
          }
        }
      }
    };
    for (const stored of WAYS) {
      const gemmVariant = () => assert.fail("there is no product");
      await check(
        stored,
        openSpirvMachine({ ...MACHINE, stored, gemmVariant }),
      );
      await t.step({
        name: `WebGPU, V ${V}, ${JSON.stringify(stored)}`,
        ignore: noAdapter,
        fn: () =>
          check(stored, {
            compile: (program) => gpu!.compile(program, { stored }),
          }),
      });
    }
  }
  await gpu?.dispose();
});
