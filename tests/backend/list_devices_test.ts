import assert from "node:assert/strict";
import { readCpuInfo } from "../../src/backend/cpu/cores.ts";
import { loadKernels } from "../../src/backend/cpu/kernels.ts";
import { listDevices } from "../../src/backend/list_devices.ts";
import { CPU_ONLY, gpuMachine } from "./_gpu_machine.ts";

const { name, cores } = readCpuInfo();

Deno.test("listDevices() describes the CPU, and measures it when asked", async () => {
  const [cpu] = await listDevices({ measure: true, sources: CPU_ONLY });
  assert.ok(cpu.backend === "cpu");
  assert.equal(cpu.id, "cpu");
  assert.equal(cpu.name, name);
  assert.equal(cpu.cores, cores);
  assert.ok(cpu.memoryBytes! > 1e8);
  assert.ok(cpu.gflops! > 0.1, `${cpu.gflops} GFLOP/s`);
  assert.equal(cpu.kernels, loadKernels().label);
  assert.equal((await listDevices({ sources: CPU_ONLY }))[0].gflops, null);
});

Deno.test("listDevices() says what means each device, and what it has", async () => {
  const devices = await listDevices({
    sources: gpuMachine().sources,
    memoryOf: ({ name }) => Promise.resolve(name === "NVIDIA A30" ? 24e9 : 1),
  });
  const memoryBytes = Deno.systemMemoryInfo().total;
  assert.deepEqual(
    devices.map(({ id, requests, memoryBytes }) => ({
      id,
      requests,
      memoryBytes,
    })),
    [
      { id: "gpu:0", requests: ["gpu:0", "cuda:0"], memoryBytes: 24e9 },
      { id: "gpu:1", requests: ["gpu:1", "cuda:1"], memoryBytes: 24e9 },
      { id: "cpu", requests: ["cpu"], memoryBytes },
      { id: "software", requests: ["software", "llvmpipe"], memoryBytes },
    ],
  );
});

Deno.test("listDevices() says why a device cannot be measured", async () => {
  const { sources } = gpuMachine({ fails: "the driver has hung up" });
  const [gpu] = await listDevices({ measure: true, sources });
  assert.equal(gpu.gflops, null);
  assert.equal(gpu.problem, "the driver has hung up");
});
