/** How shaders round to bf16, and devices that say they do it. */

import assert from "node:assert/strict";
import { SYSTEM_DEVICES } from "../../src/backend/device_sources.ts";
import { openBackend } from "../../src/backend/devices.ts";
import { compileShader } from "../../src/backend/spirv/compile_shader.ts";
import type { FoundAdapter } from "../../src/backend/webgpu/adapters.ts";
import { bfloatRounding } from "../../src/backend/webgpu/bfloat.ts";
import { shaderText } from "../../src/backend/webgpu/pipelines.ts";
import { openWebGpuBackend } from "../../src/backend/webgpu/webgpu_backend.ts";
import { encodeFloats } from "../../src/base/float_formats.ts";
import { withShaders } from "./_faulty_gpu.ts";
import { dispatchesOf, stepPrograms } from "./_lowered.ts";
import { SpirvMachine } from "./_spirv_machine.ts";
import { codeOf } from "./_spirv_reader.ts";
import { validate, validatorYear } from "./_spirv_val.ts";
import { testVulkan } from "./_vulkan.ts";
import { noAdapter, testAdapter } from "./_webgpu.ts";

/** The first validator that knows bf16. */
const BFLOAT_YEAR = 2025;

Deno.test("pack2x16bfloat() gives the same bits in both ways", () => {
  const numbers = Float32Array.of(
    ...[0, -0, 1, -1.5, Math.PI, 1e-40, -(2 ** -133), 2 ** -126],
    // Halfway to the next, where this one is even, and odd; and beside that.
    ...[1 + 2 ** -8, 1 + 3 * 2 ** -8, -1 - 2 ** -8, 1 + 2 ** -8 + 2 ** -20],
    ...[3.38e38, 3.3961775e38, -3.4028235e38, Infinity, -Infinity, 65504],
  );
  const pairs = numbers.length / 2;
  const packed = (byDevice: boolean) => {
    const body = `
@group(0) @binding(0) var<storage, read> x: array<vec2<f32>>;
@group(0) @binding(1) var<storage, read_write> out: array<u32>;
@compute @workgroup_size(1) fn main(
  @builtin(workgroup_id) group: vec3<u32>,
) {
  out[group.x] = pack2x16bfloat(x[group.x]);
}`;
    const { enables, code } = bfloatRounding(body, byDevice);
    assert.deepEqual(enables, byDevice ? ["bfloat16"] : []);
    const { words } = compileShader(
      enables.map((name) => `enable ${name};`).join("") + code + body,
    );
    assert.equal(codeOf(words).includes("fConvert"), byDevice);
    const out = new Uint8Array(4 * pairs);
    const x = new Uint8Array(numbers.slice().buffer);
    new SpirvMachine(words).run([pairs, 1, 1], [x, out]);
    return out;
  };
  assert.deepEqual(packed(true), encodeFloats(numbers, "BF16").slice());
  assert.deepEqual(packed(false), packed(true));
  assert.equal(new Uint16Array(packed(true).buffer)[8], 0x3f80);
  assert.equal(new Uint16Array(packed(true).buffer)[9], 0x3f82);
});

Deno.test("shaders of a step round to bf16 by the device", async () => {
  const modules = new Map<string, Uint32Array<ArrayBuffer>>();
  for (const program of stepPrograms()) {
    for (const one of dispatchesOf(program, { precision: "bf16" })) {
      const writable = one.bindings.map(({ written }) => written);
      const text = shaderText(one, writable, { roundsToBf16: true });
      if (!text.includes("pack2x16bfloat")) continue;
      assert.match(text, /^enable bfloat16;$/m);
      const { words, capabilities } = compileShader(text);
      assert.ok(capabilities.includes("bFloat16Type"), one.label);
      modules.set(text, words);
    }
  }
  assert.ok(modules.size > 10);
  if (validatorYear !== null && validatorYear >= BFLOAT_YEAR) {
    await validate([...modules.values()]);
  } else if (validatorYear !== null) {
    console.warn(`skipped: spirv-val of ${validatorYear} knows no bf16`);
  }
});

/** What such shaders compute in place of what they should. */
const INTEGERS = bfloatRounding("pack2x16bfloat(", false).code;
const DEVICES: Record<
  string,
  { change: (code: string, device: GPUDevice) => string; reason?: RegExp }
> = {
  "is right": { change: (code) => INTEGERS + code },
  "has other bits of a NaN": {
    change: (code) =>
      INTEGERS.replace(
        "bits | vec2<u32>(0x400000u)",
        "bits | vec2<u32>(0x7fff0000u)",
      ) + code,
  },
  "does not compile": {
    change: () => "no shader",
    reason: /^Cannot compute on /,
  },
  "rounds to zero": {
    change: (code) => INTEGERS.replace("+ vec2<u32>(0x7fffu) + odd", "") + code,
    reason: /^it rounds \S+ to \S+$/,
  },
  "rounds halves up": {
    change: (code) =>
      INTEGERS.replace("0x7fffu", "0x8000u").replace("+ odd", "") + code,
    reason: /^it rounds \S+ to \S+$/,
  },
  "is lost": {
    change(code, device) {
      device.destroy();
      return INTEGERS + code;
    },
    reason: /./,
  },
};

for (const [what, { change, reason }] of Object.entries(DEVICES)) {
  Deno.test({
    name: `openBackend() tests the rounding of a device that ${what}`,
    ignore: noAdapter,
    async fn() {
      let changed = 0;
      const facts = { driver: "fake", isNvidiaDriver: true, place: 0 };
      const vulkan = { ...facts, driverVersion: 1, memoryBytes: 1e9 };
      const features = [...testAdapter.info.features, "bfloat16"];
      const info = { ...testAdapter.info, id: "vulkan:0", vulkan, features };
      const adapter: FoundAdapter = withShaders({
        info: { ...info, isSoftware: false },
        request: testAdapter.request,
      }, (code, device) => {
        if (!code.includes("enable bfloat16;")) return code;
        changed++;
        return change(code.replace("enable bfloat16;", ""), device);
      });
      const { backend, warnings } = await openBackend(
        { device: "vulkan:0", precision: "bf16" },
        {
          ...SYSTEM_DEVICES,
          listAdapters: () => Promise.resolve([]),
          listVulkan: () => Promise.resolve([adapter]),
        },
      );
      // Where it is right, the first product rounds so as well.
      assert.equal(changed > 1, reason === undefined, `${changed} shaders`);
      const { noRounding = "" } = backend.device;
      assert.match(noRounding, reason ?? /^$/);
      assert.deepEqual(
        warnings,
        reason
          ? [
            `Cannot round to bf16 by the device: ${noRounding}: using integers`,
          ]
          : [],
      );
      await backend.dispose();
      changed = 0;
      const fp32 = await openWebGpuBackend(adapter, { precision: "fp32" });
      assert.equal(changed, 0);
      await fp32.dispose();
    },
  });
}

const canRound = testVulkan?.info.features.includes("bfloat16") ?? false;
Deno.test("Vulkan: a device rounds to bf16, or it is known why not", {
  ignore: !canRound,
}, async () => {
  const gpu = await openWebGpuBackend(testVulkan, { precision: "bf16" });
  const { name, noRounding } = gpu.device;
  if (noRounding) console.warn(`${name} does not round here: ${noRounding}`);
  assert.match(noRounding ?? "it rounds", /^it rounds|^Cannot compute/);
  await gpu.dispose();
});
