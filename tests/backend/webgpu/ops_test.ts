import { agreesWithReference, opCases } from "../_op_cases.ts";
import { noAdapter, openTestGpu } from "./_webgpu.ts";

/**
 * Of the products, every third: they differ in five ways, so that it has all
 * of those, and a software adapter takes a quarter of a second per shader.
 */
const cases = opCases.filter(({ op }, i) => op !== "matmul" || i % 3 === 0);

Deno.test({
  name: "webgpu kernels agree with the reference",
  ignore: noAdapter,
  fn: async (t) => {
    const gpu = await openTestGpu();
    await agreesWithReference(t, gpu, cases);
    await gpu.dispose();
  },
});
