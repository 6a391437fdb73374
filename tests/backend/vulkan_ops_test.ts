import { openReferenceBackend } from "../../src/backend/reference/backend.ts";
import { openWebGpuBackend } from "../../src/backend/webgpu/webgpu_backend.ts";
import { assertOpClose, opCases, runOpCase } from "./_op_cases.ts";
import { noVulkan, testVulkan } from "./_vulkan.ts";

/**
 * Of each op the first case and every sixth: what the kernels compute at all
 * sizes webgpu_ops_test.ts shows, and that they compile, spirv_shaders_test.ts.
 * HEARTH_TEST_DRIVER=vulkan runs all tests of webgpu_*_test.ts here instead.
 */
const cases = opCases.filter(({ op }, i) =>
  i % 6 === 0 || opCases.findIndex((one) => one.op === op) === i
);
const ops = [...new Set(cases.map(({ op }) => op))];

Deno.test({
  name: "vulkan: kernels agree with the reference",
  ignore: noVulkan,
  fn: async (t) => {
    const reference = openReferenceBackend();
    const gpu = await openWebGpuBackend(testVulkan);
    for (const op of ops) {
      await t.step(op, async () => {
        for (const opCase of cases.filter((opCase) => opCase.op === op)) {
          assertOpClose(
            opCase,
            await runOpCase(gpu, opCase),
            await runOpCase(reference, opCase),
          );
        }
      });
    }
    await gpu.dispose();
  },
});
