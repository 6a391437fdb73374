/** Factors of matrix units that are rounded once for several products. */

import assert from "node:assert/strict";
import type { Backend } from "../../../src/backend/backend.ts";
import { openReferenceBackend } from "../../../src/backend/reference/backend.ts";
import { compileShader } from "../../../src/backend/spirv/compile_shader.ts";
import type {
  Dispatch,
  GpuTensor,
  StoredPrecision,
  StoredType,
} from "../../../src/backend/webgpu/dispatch.ts";
import { parseVariant } from "../../../src/backend/webgpu/choice/gemm_choice.ts";
import type { KernelContext } from "../../../src/backend/webgpu/kernel.ts";
import { normKernels } from "../../../src/backend/webgpu/kernels/norms.ts";
import { shaderText } from "../../../src/backend/webgpu/loading/pipelines.ts";
import {
  lower,
  type LoweredProgram,
} from "../../../src/backend/webgpu/lowering/lower.ts";
import { encodeFloats } from "../../../src/base/float_formats.ts";
import { Graph } from "../../../src/graph/graph.ts";
import { plan } from "../../../src/graph/plan.ts";
import type { Program } from "../../../src/graph/program.ts";
import { eachParam } from "../../../src/model/init.ts";
import { resolveModel } from "../../../src/model/model_config.ts";
import {
  batchPositions,
  buildStepProgram,
} from "../../../src/train/step_program.ts";
import { tinyConfig } from "../../train/_helpers.ts";
import { normal } from "../_op_inputs.ts";
import { SpirvMachine } from "../spirv/_machine.ts";
import { matrixDevices } from "./_matrix_units.ts";

/** The first phase of a step, or another program, on units or not. */
function lowered(
  program: Program,
  { precision = "bf16", tile }: {
    precision?: StoredPrecision;
    tile?: string;
  } = {},
): { all: readonly Dispatch[]; persistent: LoweredProgram["persistent"] } {
  const scalar = precision === "fp16" ? "f16" : "bf16";
  const unit = `32x32x32 16x16 matrix ${scalar} 16x16x16 on 32 lanes`;
  const { phases, persistent } = lower(program, {
    ...{ maxBindingBytes: 2 ** 30, maxBindings: 16, fuse: true, precision },
    overlap: false, // in the order of the calls
    attention: () => ({ flow: "direct" }),
    gemmVariant: () => parseVariant(tile ?? unit),
  });
  const { firstMicroStep, ...others } = Object.fromEntries(phases);
  return { all: firstMicroStep ?? others.g, persistent };
}

const isCopy = ({ label }: Dispatch) => label === "round";
const isTemporary = ({ memory }: GpuTensor) =>
  typeof memory.lifetime === "object";
const tensorOf = ({ bindings }: Dispatch, name: string) =>
  bindings.find((binding) => binding.name === name)!.tensor;

/** A step of 512 rows: 16 tiles of 32. */
function step(
  model: NonNullable<Parameters<typeof tinyConfig>[0]>["model"],
): Program {
  const config = tinyConfig({
    model: { arch: "gpt2", nLayer: 2, nHead: 4, seqLen: 128, ...model },
    train: { batchSize: 4 },
  });
  const resolved = resolveModel(config.model, 96);
  return buildStepProgram(resolved, { ...config.train, gradAccumSteps: 1 });
}

Deno.test("a step on units rounds its weights once, together", () => {
  const program = step({ nEmbd: 64 });
  const { all, persistent } = lowered(program);
  const copies = all.filter(isCopy);
  const weights = copies.filter((one) => !isTemporary(tensorOf(one, "x")));
  // All lie in one array, with less between them than is worth a dispatch.
  assert.equal(weights.length, 1);
  const source = tensorOf(weights[0], "x"), copy = tensorOf(weights[0], "out");
  assert.equal(copy.length, source.length);
  assert.equal(copy.dtype, "bf16");
  assert.equal(copy.memory.sizeBytes, 2 * source.length);
  assert.deepEqual(copy.memory.lifetime, { phase: "firstMicroStep" });
  const products = all.filter(({ label }) => label === "matmul");
  // Of each matrix and the head, forward and for the gradient of its input.
  const readers = products.filter(({ bindings }) =>
    bindings.some(({ tensor }) => tensor.memory === copy.memory)
  );
  assert.equal(readers.length, 2 * (2 * 4 + 1));
  for (const one of readers) {
    assert.ok(all.indexOf(one) > all.indexOf(weights[0]));
    const b = tensorOf(one, "b");
    assert.equal(b.dtype, "bf16");
    assert.match(one.code, /raw_b\(/);
    assert.doesNotMatch(one.code, /packed\(b/);
  }
  // Each is where its parameter is, of half the size.
  const matrices = [...persistent].filter(([name]) =>
    /^(wte|h\.\d\.(attn|mlp)\..*weight)/.test(name)
  );
  assert.equal(matrices.length, 2 * 4 + 1);
  const ends = matrices.map(([, { offset, length }]) => offset + 4 * length);
  assert.equal(source.offset + 4 * source.length, Math.max(...ends));
  assert.deepEqual(
    new Set(readers.map((one) => tensorOf(one, "b").offset)),
    new Set(matrices.map(([, { offset }]) => (offset - source.offset) / 2)),
  );
  // Without units nothing is copied.
  const tile = "32x32x16 4x4 staged row";
  assert.ok(!lowered(program, { tile }).all.some(isCopy));
});

Deno.test("a gradient of the residual stream is rounded as it is made", () => {
  // Three tiles across for the input's gradient, three for the weight's.
  const program = step({ nEmbd: 96, dropout: 0, bias: false });
  const copied = (precision: StoredPrecision) => {
    const { all } = lowered(program, { precision });
    return all.flatMap((one) => {
      const copies = isCopy(one)
        ? isTemporary(tensorOf(one, "x")) ? [tensorOf(one, "out")] : []
        : one.bindings.filter(({ name }) => name === "rounded")
          .map(({ tensor }) => tensor);
      return copies.map(({ memory, dtype, scale }) => {
        const readers = all.filter(({ bindings, label }) =>
          label === "matmul" &&
          bindings.some(({ tensor }) => tensor.memory === memory)
        );
        const stored = dtype + (scale ? ` * ${scale}` : "");
        return `${one.label} ${stored} ${readers.length}`;
      });
    });
  };
  // Of attProj and fcProj in both layers.
  assert.deepEqual(
    copied("bf16"),
    Array(2 * 2).fill("layerNormBackward bf16 2"),
  );
  // Units of f16 take them times a power of two: 2^8 times the 512 rows.
  assert.deepEqual(
    copied("fp16"),
    Array(2 * 2).fill("layerNormBackward f16 * 131072 2"),
  );
});

Deno.test("layerNormBackward() writes its result and the copy of it", () => {
  const rows = 3, C = 24;
  const tensor = (name: string, length: number, dtype: StoredType = "f32") => ({
    ...{ dtype, length, offset: 0 },
    memory: { name, sizeBytes: 4 * length, lifetime: { phase: "g" } },
  });
  const matrix = (name: string) => tensor(name, rows * C);
  const out = matrix("out"), rounded = tensor("rounded", rows * C, "bf16");
  const context: Partial<KernelContext> = {
    copyBeside: (result) => result === out ? rounded : undefined,
  };
  const [dispatch] = normKernels.layerNormBackward({
    op: "layerNormBackward",
    in: {
      ...{ dOut: matrix("dOut"), x: matrix("x"), addTo: matrix("addTo") },
      ...{ weight: tensor("weight", C) },
      ...{ mean: tensor("mean", rows), rstd: tensor("rstd", rows) },
    },
    out: { out },
    attrs: { rows, C },
  }, context as KernelContext);
  const writable = dispatch.bindings.map(({ written }) => written);
  const buffers = new Map(dispatch.bindings.map(({ name, tensor }, i) => {
    const { dtype, length } = tensor;
    const bytes = dtype === "bf16"
      ? new Uint8Array(2 * length)
      : new Uint8Array(normal(i, [length]).data.buffer as ArrayBuffer);
    return [name, bytes];
  }));
  const { words } = compileShader(shaderText(dispatch, writable));
  new SpirvMachine(words).run(dispatch.workgroups, [...buffers.values()]);
  const exact = new Float32Array(buffers.get("out")!.buffer);
  assert.ok(new Set(exact).size > 50);
  assert.deepEqual(buffers.get("rounded"), encodeFloats(exact, "BF16"));
});

Deno.test("what is summed by the way is read once, too", () => {
  const program = step({ nEmbd: 96, dropout: 0, bias: true });
  const sums = lowered(program).all.filter(({ label, code }) =>
    label === "matmul" && code.includes("lowSum")
  );
  assert.equal(sums.length, 2 * 4);
  for (const one of sums) {
    assert.equal(tensorOf(one, "b").dtype, "bf16");
    assert.match(one.code, /lowSum \+= unpacked\(/);
  }
});

Deno.test("a factor is rounded if its rows are of whole vectors", () => {
  // 16 tiles of 32 x 32 each way, but k is no multiple of four.
  const side = 32 * 16, odd = 30;
  const rounded = (transA: boolean, transB: boolean) => {
    const g = new Graph();
    const a = g.state("a", transA ? [odd, side] : [side, odd]);
    const b = g.state("b", transB ? [side, odd] : [odd, side]);
    g.matmul(a, b, { transA, transB, out: g.state("out", [side, side]) });
    return lowered(plan({ g })).all.filter(isCopy)
      .map((one) => tensorOf(one, "x").memory.name);
  };
  assert.deepEqual(rounded(false, false), ["b"]);
  assert.deepEqual(rounded(true, false), ["a", "b"]);
  assert.deepEqual(rounded(false, true), []);
  assert.deepEqual(rounded(true, true), ["a"]);
});

Deno.test("a factor that is written is rounded anew", () => {
  const g = new Graph();
  const rows = 32 * 16;
  const x = g.state("x", [rows, 32]), w = g.state("w", [32, 32]);
  g.matmul(x, w, { out: g.state("before", [rows, 32]) });
  g.matmul(x, w, { out: g.state("beside", [rows, 32]) });
  g.record("scale", {
    in: { x: w },
    out: { out: w },
    attrs: { n: 32 * 32, factor: 2 },
  });
  g.matmul(x, w, { out: g.state("after", [rows, 32]) });
  const all = lowered(plan({ g })).all;
  assert.deepEqual(
    all.map((one) =>
      isCopy(one) ? `round ${tensorOf(one, "x").memory.name}` : one.label
    ),
    ["round w", "matmul", "matmul", "scale", "round w", "matmul"],
  );
});

for (const { unit, open } of matrixDevices) {
  Deno.test(`units of ${unit.scalar}: copies of factors change no bit`, async () => {
    const rows = 32 * 16, side = 64;
    const numbers = (seed: number, length: number) =>
      normal(seed, [length]).data.map((x, i) => i % 97 === 0 ? x * 1e5 : x);
    const products = async (copyFactors: boolean) => {
      const gpu = await open(undefined, { copyFactors });
      const g = new Graph();
      const x = g.state("x", [rows, side]), w = g.state("w", [side, side]);
      g.matmul(x, w, { out: g.state("out", [rows, side]) });
      g.matmul(x, w, { transB: true, out: g.state("back", [rows, side]) });
      const executable = await gpu.compile(plan({ g }));
      const copies = executable.dispatches("g").filter(isCopy);
      assert.equal(copies.length, copyFactors ? 1 : 0);
      executable.write("x", numbers(1, rows * side));
      executable.write("w", numbers(2, side * side));
      await executable.run("g");
      const got = await executable.readAll(["out", "back"]);
      await gpu.dispose();
      return got;
    };
    const want = await products(false);
    assert.ok(want.every((all) => all.some((number) => number !== 0)));
    assert.deepEqual(await products(true), want);
  });
}

for (const { unit, open } of matrixDevices) {
  for (const dropout of [0, 0.1]) {
    Deno.test(`units of ${unit.scalar}: gradients of a step are those of fp32, dropout ${dropout}`, async () => {
      const config = tinyConfig({
        model: {
          ...{ arch: "gpt2", nLayer: 1, nHead: 2, nEmbd: 32, seqLen: 64 },
          ...{ bias: true, dropout },
        },
        train: { batchSize: 4 },
      });
      const model = resolveModel(config.model, 65);
      const { phases: { firstMicroStep }, ...rest } = buildStepProgram(model, {
        ...config.train,
        gradAccumSteps: 1,
      });
      const program = { ...rest, phases: { firstMicroStep } };
      const ids = Uint32Array.from({ length: 256 }, (_, i) => (i * i) % 65);
      const gradients = async (backend: Pick<Backend, "compile">) => {
        const executable = await backend.compile(program);
        for (const [name, values] of eachParam(model, 1)) {
          executable.write(name, values);
        }
        executable.write("ids", ids);
        executable.write("targets", ids.map((id) => (id + 1) % 65));
        executable.write("positions", batchPositions({ B: 4, T: 64 }));
        if (dropout > 0) executable.write("rng", Uint32Array.of(7, 0, 1, 0));
        await executable.run("firstMicroStep");
        const names = [...program.persistent.keys()].filter((name) =>
          name.startsWith("d.")
        );
        const all = await executable.readAll(names);
        await executable.dispose();
        return new Map(names.map((name, i) => [name, all[i]]));
      };
      const gpu = await open();
      const got = await gradients(gpu);
      await gpu.dispose();
      const size = (x: readonly number[]) => Math.hypot(...x);
      for (const [name, want] of await gradients(openReferenceBackend())) {
        const off = [...want].map((x, i) => x - got.get(name)![i]);
        // Factors have errors of 2^-9 of bf16, or less, spread evenly.
        const share = size(off) / size([...want]);
        assert.ok(share < 2 ** -7, `${name} is off by ${share} of it`);
      }
    });
  }
}
