import { openCpuBackend } from "../../../src/backend/cpu/cpu_backend.ts";
import { agreesWithReference, opCases } from "../_op_cases.ts";
import { cpuBuilds } from "./_builds.ts";

for (const [build, choice] of Object.entries(cpuBuilds)) {
  Deno.test(`cpu kernels (${build}) agree with the reference`, async (t) => {
    const cpu = await openCpuBackend({ threads: 2, ...choice });
    await agreesWithReference(t, cpu, opCases);
    await cpu.dispose();
  });
}
