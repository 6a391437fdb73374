/** What a device says to do and does not, on any adapter. */

import assert from "node:assert/strict";
import { SYSTEM_DEVICES } from "../../../src/backend/devices/device_sources.ts";
import { openBackend } from "../../../src/backend/devices/open_backend.ts";
import { openReferenceBackend } from "../../../src/backend/reference/backend.ts";
import type { FoundAdapter } from "../../../src/backend/webgpu/device/adapters.ts";
import type { MatrixUnit } from "../../../src/backend/webgpu/device/matrix_unit.ts";
import { openWebGpuBackend } from "../../../src/backend/webgpu/webgpu_backend.ts";
import { assertOpClose, opCases, runOpCase } from "../_op_cases.ts";
import { withShaders } from "./_faulty_gpu.ts";
import { noAdapter, testAdapter } from "./_webgpu.ts";

const unit: MatrixUnit = { M: 16, N: 16, K: 16, scalar: "bf16", lanes: 32 };
const FAILED = "bf16 16x16x16 on 32 lanes failed its self-test";

/** What becomes of a shader for units, and what is said of it. */
const FAULTS: Record<
  string,
  { change: (code: string, device: GPUDevice) => string; reason: RegExp }
> = {
  "does not compile": {
    change: () => "no shader",
    reason: new RegExp(`^${FAILED} \\(Cannot compute on .*\\)$`, "s"),
  },
  "computes nothing": {
    change: () => "@compute @workgroup_size(1) fn main() {}",
    reason: new RegExp(`^${FAILED}$`),
  },
  "loses the device": {
    change(_, device) {
      device.destroy();
      return "@compute @workgroup_size(1) fn main() {}";
    },
    reason: new RegExp(`^${FAILED} \\(.*\\)$`, "s"),
  },
};

/** The test adapter as a card with a unit; some of its shaders are changed. */
function withUnit(
  change: (code: string, device: GPUDevice) => string,
  isChanged = (code: string) => code.includes("coop_mat"),
): FoundAdapter {
  const facts = { driver: "fake", isNvidiaDriver: true, place: 0 };
  const vulkan = { ...facts, driverVersion: 1, memoryBytes: 1e9 };
  // Software is not taken for a card.
  const like = { id: "vulkan:0", vulkan, isSoftware: false };
  const info = { ...testAdapter.info, ...like };
  return withShaders(
    { info: { ...info, matrixUnits: [unit] }, request: testAdapter.request },
    (code, device) => isChanged(code) ? change(code, device) : code,
  );
}

for (const [what, { change, reason }] of Object.entries(FAULTS)) {
  Deno.test({
    name: `openBackend() leaves out a matrix unit that ${what}`,
    ignore: noAdapter,
    async fn() {
      const { backend, warnings } = await openBackend(
        { device: "vulkan:0", precision: "bf16" },
        {
          ...SYSTEM_DEVICES,
          listAdapters: () => Promise.resolve([]),
          listVulkan: () => Promise.resolve([withUnit(change)]),
        },
      );
      const { kernels, precision, noUnit = "" } = backend.device;
      assert.match(noUnit, reason);
      assert.deepEqual(warnings, [
        `Cannot multiply matrices on matrix units: ${noUnit}: using fp32 ` +
        "kernels",
      ]);
      assert.equal(precision, "bf16");
      assert.match(kernels, /activations in bf16/);
      assert.doesNotMatch(kernels, /matrix/);
      const product = opCases.find(({ name }) =>
        /^matmul M=67 .*bias$/.test(name)
      )!;
      const want = await runOpCase(openReferenceBackend(), product);
      assertOpClose(product, await runOpCase(backend, product), want);
      await backend.dispose();
    },
  });
}

Deno.test({
  name: "openWebGpuBackend() tests no matrix unit for other precisions",
  ignore: noAdapter,
  async fn() {
    for (const precision of ["fp32", "fp16"] as const) { // it has none of f16
      const hasF16 = testAdapter.info.features.includes("shader-f16");
      if (precision === "fp16" && !hasF16) continue;
      const gpu = await openWebGpuBackend(
        withUnit(() => assert.fail("a shader for units")),
        { precision },
      );
      assert.equal(gpu.device.noUnit, undefined);
      await gpu.dispose();
    }
  },
});

for (const [what, { change }] of Object.entries(FAULTS)) {
  Deno.test({
    name: `openBackend() takes WebGPU where a driver's shader ${what}`,
    ignore: noAdapter,
    async fn() {
      const { info } = withUnit(change);
      const webgpu = { ...info, id: "webgpu:0", vulkan: undefined };
      const { backend, warnings } = await openBackend({ device: "auto" }, {
        ...SYSTEM_DEVICES,
        os: "linux",
        listAdapters: () => Promise.resolve([{ ...testAdapter, info: webgpu }]),
        listVulkan: () => Promise.resolve([withUnit(change, () => true)]),
        listCards: () => [{ vendorId: 0x10de, deviceId: 1, driver: null }],
      });
      assert.deepEqual(
        [backend.device.backend, backend.device.id],
        ["webgpu", "webgpu:0"],
      );
      assert.equal(warnings.length, 1);
      assert.match(
        warnings[0],
        /^Cannot use vulkan:0 \(.*\): a product failed its self-test.*: using WebGPU$/s,
      );
      await backend.dispose();
    },
  });
}
