import { openCpuBackend } from "../../src/backend/cpu/cpu_backend.ts";
import { openReferenceBackend } from "../../src/backend/reference/backend.ts";
import { cpuBuilds } from "./_cpu_builds.ts";
import { assertOpClose, opCases, runOpCase } from "./_op_cases.ts";

const ops = [...new Set(opCases.map(({ op }) => op))];

for (const [build, choice] of Object.entries(cpuBuilds)) {
  Deno.test(`cpu kernels (${build}) agree with the reference`, async (t) => {
    const reference = openReferenceBackend();
    const cpu = await openCpuBackend({ threads: 2, ...choice });
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
