import assert from "node:assert/strict";
import type {
  Binding,
  StoredPrecision,
} from "../../../src/backend/webgpu/dispatch.ts";
import { findGradients } from "../../../src/backend/webgpu/lowering/gradients.ts";
import { chooseTwoBytes } from "../../../src/backend/webgpu/lowering/two_bytes.ts";
import { twoByteAccess } from "../../../src/backend/webgpu/shader/two_byte_access.ts";
import type { PlacedTensor } from "../../../src/graph/program.ts";
import { eachParam } from "../../../src/model/init.ts";
import { resolveModel } from "../../../src/model/model_config.ts";
import {
  batchPositions,
  buildStepProgram,
} from "../../../src/train/step_program.ts";
import {
  collect,
  fakeDataset,
  only,
  openTestSession,
  tinyConfig,
  V,
} from "../../train/_helpers.ts";
import { noAdapter, openTestGpu, testAdapter } from "./_webgpu.ts";

Deno.test("twoByteAccess() makes calls of reads and writes", () => {
  const access = (code: string) => {
    const memory = { name: "x", sizeBytes: 8, lifetime: "input" } as const;
    const tensor = { dtype: "f16", length: 4, memory, offset: 0 } as const;
    const binding: Binding = {
      ...{ name: "x", type: "vec4<f16>", tensor, written: false },
    };
    return twoByteAccess([binding], { code, writable: [false] });
  };
  const calls = (code: string) => access(code).code.split("\n").at(-1);
  assert.deepEqual(access("").enables, ["f16"]);
  assert.equal(calls("let y = x[i] + max[i];"), "let y = read_x(i) + max[i];");
  assert.equal(calls("x[i] = x[a[j]] * 2;"), "write_x(i, read_x(a[j]) * 2);");
  assert.equal(calls("if (x[i] == v) {}"), "if (read_x(i) == v) {}");
  assert.equal(calls("y = x[x[0].x].w;"), "y = read_x(read_x(0).x).w;");
  assert.equal(calls("yx[i] = p.x[i];"), "yx[i] = p.x[i];");
});

Deno.test("chooseTwoBytes() leaves sums and statistics in f32", () => {
  const config = tinyConfig({
    model: { arch: "gpt2", nLayer: 1, nHead: 2, nEmbd: 16, seqLen: 8 },
  });
  const { phases } = buildStepProgram(resolveModel(config.model, 12), {
    ...config.train,
    gradAccumSteps: 1,
  });
  const chosen = (precision: StoredPrecision) => {
    const types = chooseTwoBytes(phases.firstMicroStep, precision);
    return phases.firstMicroStep.flatMap(({ op, out }) =>
      Object.entries(out).map(([name, tensor]) =>
        `${op} ${name} ${types.get(tensor) ?? tensor.dtype}`
      )
    );
  };
  assert.ok(chosen("fp32").every((line) => !/f16/.test(line)));
  const lines = chosen("fp16");
  const all = (prefix: string) =>
    lines.filter((line) => line.startsWith(prefix)).map((line) =>
      line.slice(prefix.length + 1)
    );
  assert.deepEqual(all("layerNorm out"), ["f16", "f16", "f16"]);
  assert.deepEqual(all("layerNorm rstd"), ["f32", "f32", "f32"]);
  assert.deepEqual(all("embedding out"), ["f32", "f32"]);
  assert.deepEqual(all("attention out"), ["f16"]);
  assert.deepEqual(all("attentionBackward dQkv"), ["bf16"]);
  assert.deepEqual(all("crossEntropyBackward out"), ["bf16"]);
  assert.deepEqual(all("layerNormBackward out"), ["f32", "f32", "f32"]);
  assert.ok(lines.includes("matmul out f32")); // logits, residual stream
});

Deno.test("chooseTwoBytes() stores gradients as units of f16 take them", () => {
  const config = tinyConfig({
    model: { arch: "llama", nLayer: 1, nHead: 2, nEmbd: 16, seqLen: 8 },
  });
  const { phases } = buildStepProgram(resolveModel(config.model, 12), {
    ...config.train,
    gradAccumSteps: 1,
  });
  const calls = phases.firstMicroStep;
  const gradients = findGradients(calls);
  const stored = (
    precision: StoredPrecision,
    scalar: "f16" | "bf16" | null,
  ) => {
    const types = chooseTwoBytes(calls, precision, scalar && { scalar });
    return calls.flatMap(({ op, out }) =>
      Object.values<PlacedTensor>(out).filter((one) => gradients.has(one))
        .map((one) => `${op} ${types.get(one)}`)
    );
  };
  const all = stored("fp16", "f16");
  for (const op of ["crossEntropyBackward", "swigluBackward", "rope"]) {
    assert.ok(all.includes(`${op} f16`), op);
    assert.ok(!all.includes(`${op} bf16`), op);
  }
  // What rope turns, and what norms read, is for no product; attention's is.
  assert.ok(all.includes("attentionBackward bf16"));
  assert.ok(all.includes("matmul bf16"));
  assert.equal(all.filter((line) => line === "matmul f16").length, 1);
  const has = (of: string[]) => of.some((line) => line.endsWith(" f16"));
  assert.ok(!has(stored("fp16", null)) && !has(stored("bf16", "bf16")));
});

Deno.test("twoByteAccess() multiplies by the scale of a tensor", () => {
  const memory = { name: "x", sizeBytes: 8, lifetime: "input" } as const;
  const place = { length: 4, memory, offset: 0 };
  const tensor = { ...place, dtype: "f16", scale: 1024 } as const;
  const { code } = twoByteAccess(
    [{ name: "x", type: "vec4<f16>", tensor, written: true }],
    { code: "x[0] = x[1] + of_x(stored_x(2));", writable: [true] },
  );
  assert.match(code, /let v = value \* 1024f;/);
  assert.equal(code.split(` * ${1 / 1024}f;`).length, 1 + 2);
});

Deno.test("chooseTwoBytes() halves what dropout leaves of a gradient", () => {
  const config = tinyConfig({
    model: { arch: "gpt2", nLayer: 1, nHead: 2, nEmbd: 16, dropout: 0.1 },
  });
  const { phases } = buildStepProgram(resolveModel(config.model, 12), {
    ...config.train,
    gradAccumSteps: 1,
  });
  for (const precision of ["bf16", "fp16"] as const) {
    const types = chooseTwoBytes(phases.firstMicroStep, precision);
    const stored = phases.firstMicroStep.filter(({ op }) => op === "dropout")
      .map(({ out }) => types.get(Object.values(out)[0]) ?? "f32");
    // What goes on in the residual stream is not: the embeddings, and both
    // branches, forward; and back what becomes the embeddings' gradient.
    assert.deepEqual(stored, [
      ...["f32", "f32", "f32"],
      ...["bf16", "bf16", "f32"],
    ]);
  }
});

Deno.test("chooseTwoBytes() halves what rope and SwiGLU work with", () => {
  const config = tinyConfig({
    model: { arch: "llama", nLayer: 1, nHead: 2, nEmbd: 16, seqLen: 8 },
  });
  const { phases } = buildStepProgram(resolveModel(config.model, 12), {
    ...config.train,
    gradAccumSteps: 1,
  });
  const calls = phases.firstMicroStep;
  const types = chooseTwoBytes(calls, "fp16");
  const stored = (op: string) =>
    calls.filter((call) => call.op === op)
      .flatMap((call) => [call.in, call.out])
      .flatMap((side) => Object.entries<PlacedTensor>(side))
      .map(([name, tensor]) => `${name} ${types.get(tensor) ?? tensor.dtype}`);
  assert.deepEqual(stored("rope"), [
    ...["x f16", "positions u32", "out f16"],
    ...["x bf16", "positions u32", "out bf16"], // back
  ]);
  assert.deepEqual(stored("swiglu"), ["x f16", "out f16"]);
  assert.deepEqual(stored("swigluBackward"), [
    ...["dOut bf16", "x f16", "out bf16"],
  ]);
  assert.deepEqual(stored("attention").slice(0, 2), ["qkv f16", "out f16"]);
});

for (const recompute of ["selective", "full"] as const) {
  Deno.test(`chooseTwoBytes() stores as before what is computed again: ${recompute}`, () => {
    const config = tinyConfig({
      model: { arch: "gpt2", nLayer: 2, nHead: 2, nEmbd: 16, seqLen: 8 },
      train: { recompute },
    });
    const { phases } = buildStepProgram(resolveModel(config.model, 12), {
      ...config.train,
      gradAccumSteps: 1,
    });
    const calls = phases.firstMicroStep;
    const types = chooseTwoBytes(calls, "fp16");
    const stored = (op: string) =>
      calls.flatMap((call) =>
        call.op === op ? [types.get(Object.values(call.out)[0])] : []
      );
    const again = stored("gelu");
    assert.ok(again.length > config.model.nLayer);
    assert.deepEqual(new Set(again), new Set(["f16"]));
    assert.deepEqual(new Set(stored("geluBackward")), new Set(["bf16"]));
    assert.deepEqual(new Set(stored("layerNorm")), new Set(["f16"]));
  });
}

for (const arch of ["gpt2", "llama"] as const) {
  const name = `webgpu: ${arch} learns in bf16 and fp16 as in fp32`;
  Deno.test(name, { ignore: noAdapter }, async () => {
    const losses = async (precision: StoredPrecision) => {
      const config = tinyConfig({
        model: { arch, nLayer: 1, nHead: 4, nEmbd: 32, seqLen: 16 },
        train: { steps: 40, batchSize: 4, lr: 1e-2 },
      });
      const backend = await openTestGpu({ precision });
      const session = await openTestSession({
        ...{ config, backend, dataset: fakeDataset(config) },
      });
      const events = await collect(session);
      await session.dispose();
      return only(events, "step").map(({ trainLoss }) => trainLoss);
    };
    const full = await losses("fp32");
    assert.ok(full[0] - full.at(-1)! > 0.5, "it learns");
    // An activation of bf16 has 8 bits and is off by up to 0.4 %, one of f16
    // by up to 0.05 %; gradients are bf16 in both.
    const { features } = testAdapter.info;
    for (
      const [precision, allowed] of [["bf16", 1e-2], ["fp16", 5e-3]] as const
    ) {
      if (precision === "fp16" && !features.includes("shader-f16")) continue;
      const half = await losses(precision);
      const off = full.map((loss, step) => Math.abs(loss - half[step]));
      assert.ok(Math.max(...off) > 0, `${precision} is not fp32`);
      assert.ok(Math.max(...off) < allowed, `${precision} is off by ${off}`);
    }
  });
}

Deno.test("webgpu: memoryOf() tells what two bytes save", {
  ignore: noAdapter,
}, async () => {
  const config = tinyConfig({
    model: { arch: "llama", nLayer: 2, nHead: 4, nEmbd: 64, seqLen: 64 },
  });
  const program = buildStepProgram(resolveModel(config.model, V), {
    ...config.train,
    batchSize: 16,
    gradAccumSteps: 1,
  });
  const memoryIn = async (precision: StoredPrecision) => {
    const gpu = await openTestGpu({ precision });
    const { total } = gpu.memoryOf(program);
    const executable = await gpu.compile(program);
    assert.equal(total, executable.sizeBytes);
    await gpu.dispose();
    return total;
  };
  const full = await memoryIn("fp32"), half = await memoryIn("bf16");
  assert.ok(half < 0.75 * full, `${half} of ${full}`);
});

const lacksF16 = noAdapter ||
  !testAdapter.info.features.includes("shader-f16");
for (
  const [name, factor] of [["large", 1e3], ["infinite", Infinity]] as const
) {
  const does = name === "large" ? "trains on" : "notices";
  Deno.test(`webgpu: fp16 ${does} where activations are ${name}`, {
    ignore: lacksF16,
  }, async () => {
    const config = tinyConfig({
      model: { arch: "llama", nLayer: 1, nHead: 4, nEmbd: 32, seqLen: 16 },
      train: { batchSize: 4 },
    });
    const { ids, targets } = await fakeDataset(config).train.at(0);
    const model = resolveModel(config.model, V);
    const lossIn = async (precision: StoredPrecision) => {
      const gpu = await openTestGpu({ precision });
      const { phases, ...rest } = buildStepProgram(model, {
        ...config.train,
        gradAccumSteps: 1,
      });
      const { firstMicroStep } = phases;
      const executable = await gpu.compile({
        ...rest,
        phases: { firstMicroStep },
      });
      for (const [param, values] of eachParam(model, 1)) {
        const isGate = param.endsWith("gateUp.weight");
        executable.write(
          param,
          isGate ? values.map((w) => w * factor) : values,
        );
      }
      executable.write("ids", ids);
      executable.write("targets", targets);
      executable.write("positions", batchPositions({ B: 4, T: 16 }));
      await executable.run("firstMicroStep");
      const [loss] = await executable.read("loss");
      const gradient = await executable.read("d.h.0.attn.qkv.weight");
      await gpu.dispose();
      return { loss, isSound: gradient.every(Number.isFinite) };
    };
    const full = await lossIn("fp32"), half = await lossIn("fp16");
    if (factor === Infinity) {
      assert.ok(!Number.isFinite(half.loss) || !half.isSound);
      return;
    }
    // Products of gate and up reach 1e5, and f16 65504: it is off by that.
    assert.ok(half.isSound);
    assert.ok(Math.abs(half.loss - full.loss) < 5e-3, `${half.loss}`);
  });
}
