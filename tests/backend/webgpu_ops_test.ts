import { openReferenceBackend } from "../../src/backend/reference/backend.ts";
import { assertOpClose, opCases, runOpCase } from "./_op_cases.ts";
import { noAdapter, openTestGpu } from "./_webgpu.ts";

/**
 * Of the products, every third: they differ in five ways, so that it has all
 * of those, and a software adapter takes a quarter of a second per shader.
 */
const cases = opCases.filter(({ op }, i) => op !== "matmul" || i % 3 === 0);
const ops = [...new Set(cases.map(({ op }) => op))];

Deno.test({
  name: "webgpu kernels agree with the reference",
  ignore: noAdapter,
  fn: async (t) => {
    const reference = openReferenceBackend();
    const gpu = await openTestGpu();
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
