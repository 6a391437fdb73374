import { openReferenceBackend } from "../../src/backend/reference/backend.ts";
import { assertOpClose, opCases, runOpCase } from "./_op_cases.ts";
import { noAdapter, openTestGpu } from "./_webgpu.ts";

const ops = [...new Set(opCases.map(({ op }) => op))];

Deno.test({
  name: "webgpu kernels agree with the reference",
  ignore: noAdapter,
  fn: async (t) => {
    const reference = openReferenceBackend();
    const gpu = await openTestGpu();
    for (const op of ops) {
      await t.step(op, async () => {
        for (const opCase of opCases.filter((opCase) => opCase.op === op)) {
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
