import {
  type KernelBuild,
  loadKernels,
} from "../../src/backend/cpu/kernels.ts";
import { openCpuBackend } from "../../src/backend/cpu/cpu_backend.ts";
import { openReferenceBackend } from "../../src/backend/reference/backend.ts";
import { assertOpClose, opCases, runOpCase } from "./_op_cases.ts";

const builds: KernelBuild[] = loadKernels().build === "relaxed"
  ? ["relaxed", "plain"]
  : ["plain"];
const ops = [...new Set(opCases.map(({ op }) => op))];

for (const build of builds) {
  Deno.test(`cpu kernels (${build}) agree with the reference`, async (t) => {
    const reference = openReferenceBackend();
    const cpu = await openCpuBackend({ threads: 2, build });
    for (const op of ops) {
      await t.step(op, async () => {
        for (const opCase of opCases.filter((opCase) => opCase.op === op)) {
          assertOpClose(
            opCase,
            await runOpCase(cpu, opCase),
            await runOpCase(reference, opCase),
          );
        }
      });
    }
    await cpu.dispose();
  });
}
