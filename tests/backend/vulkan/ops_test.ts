import { openWebGpuBackend } from "../../../src/backend/webgpu/webgpu_backend.ts";
import { agreesWithReference, opCases } from "../_op_cases.ts";
import { noVulkan, testVulkan } from "./_vulkan.ts";

/**
 * Of each op the first case and every sixth: what the kernels compute at all
 * sizes ../webgpu/ops_test.ts shows, and that they compile,
 * ../spirv/shaders_test.ts.
 * HEARTH_TEST_DRIVER=vulkan runs all tests of ../webgpu/ here instead.
 */
const cases = opCases.filter(({ op }, i) =>
  i % 6 === 0 || opCases.findIndex((one) => one.op === op) === i
);

Deno.test({
  name: "vulkan: kernels agree with the reference",
  ignore: noVulkan,
  fn: async (t) => {
    const gpu = await openWebGpuBackend(testVulkan);
    await agreesWithReference(t, gpu, cases);
    await gpu.dispose();
  },
});
