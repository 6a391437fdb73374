import assert from "node:assert/strict";
import { readCpuInfo } from "../../../src/backend/cpu/cores.ts";
import { loadKernels } from "../../../src/backend/cpu/kernels.ts";
import type { DeviceSources } from "../../../src/backend/devices/device_sources.ts";
import { listDevices } from "../../../src/backend/devices/list_devices.ts";
import {
  type DriverTrials,
  NO_TRIALS,
} from "../../../src/backend/driver_trials.ts";
import { listAdapters } from "../../../src/backend/webgpu/device/adapters.ts";
import { adapter, vulkanAdapter } from "./_fake_adapter.ts";
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
  const { sources, events } = gpuMachine({
    fails: "the driver has hung up",
    trials: (id) =>
      Promise.resolve({
        ...NO_TRIALS,
        whyNot: id === "vulkan:1" ? "it crashed" : null,
      }),
  });
  const [first, second] = await listDevices({ measure: true, sources });
  assert.equal(first.gflops, null);
  assert.equal(first.problem, "the driver has hung up");
  // To ask one that crashes would end the list.
  assert.equal(second.problem, "it crashed");
  assert.ok(!events.includes("open vulkan:1 fp32"));
});

Deno.test("listDevices() tries a driver, and forgives no crash for it", async () => {
  const told: string[] = [];
  const trials: DriverTrials = {
    whyNot: null,
    begin(doing) {
      told.push(doing);
      return { [Symbol.dispose]: () => void told.push("it has ended") };
    },
    answered: () => void told.push("answered"),
    close: () => void told.push("closed"),
  };
  const { sources } = gpuMachine({ trials: () => Promise.resolve(trials) });
  const openGpu: DeviceSources["openGpu"] = async (adapter, options) => {
    const { trials = NO_TRIALS } = options;
    trials.begin(`opens ${adapter.info.id}`)[Symbol.dispose]();
    trials.answered();
    trials.close();
    return await sources.openGpu(adapter, options);
  };
  await listDevices({ measure: true, sources: { ...sources, openGpu } });
  assert.deepEqual(
    told,
    ["opens vulkan:0", "it has ended", "opens vulkan:1", "it has ended"],
  );
});

/** Each device with the ways to it, a star for the usual one. */
async function waysOf(
  machine: Parameters<typeof gpuMachine>[0],
): Promise<string[]> {
  const { sources } = gpuMachine(machine);
  const devices = await listDevices({ sources });
  return devices.flatMap((one) =>
    one.backend === "cpu" ? [] : [
      [
        `${one.id}:`,
        ...one.ways.map(({ id, isUsual }) => isUsual ? `${id}*` : id),
        ...one.noVulkan === null ? [] : [`(${one.noVulkan})`],
      ].join(" "),
    ]
  );
}

Deno.test("listDevices() shows the ways to each device, the usual one first", async () => {
  assert.deepEqual(await waysOf({}), [
    "gpu:0: vulkan:0* webgpu:0",
    "gpu:1: vulkan:1*",
    "software: software*",
  ]);
  // Where WebGPU is the usual one, Vulkan is asked for its list all the same.
  assert.deepEqual(await waysOf({ os: "windows" }), [
    "gpu:0: webgpu:0* vulkan:0",
    "gpu:1: vulkan:1",
    "software: software*",
  ]);
  const missing = new Error("the loader is missing");
  assert.deepEqual(await waysOf({ vulkan: missing }), [
    "gpu:0: webgpu:0* (the loader is missing)",
    "software: software*",
  ]);
  assert.deepEqual(await waysOf({ vulkan: missing, os: "windows" }), [
    "gpu:0: webgpu:0*",
    "software: software*",
  ]);
});

Deno.test("listDevices() says how to ask for what Vulkan alone shows", async () => {
  const titan = adapter({ name: "NVIDIA TITAN V", vendor: 0x10de, device: 1 });
  const { sources } = gpuMachine({ os: "windows" });
  const devices = await listDevices({
    sources: {
      ...sources,
      listAdapters: () => listAdapters(null),
      listVulkan: () => Promise.resolve([vulkanAdapter(titan)]),
    },
  });
  assert.deepEqual(devices.map(({ id, requests }) => [id, ...requests]), [
    ["gpu:0", "vulkan:0", "vulkan:cuda:0", "vulkan:TITAN"],
    ["cpu", "cpu"],
  ]);
});

Deno.test("listDevices() asks for a card by a word that means no other", async () => {
  const { sources } = gpuMachine({ os: "windows" });
  const wordOf = async (...names: string[]) => {
    const shown = names.map((name, device) =>
      vulkanAdapter(adapter({ name, vendor: 0x1002, device: device + 1 }))
    );
    const devices = await listDevices({
      sources: {
        ...sources,
        listAdapters: () => listAdapters(null),
        listVulkan: () => Promise.resolve(shown),
      },
    });
    const card = devices.find(({ backend }) => backend !== "cpu")!;
    return card.requests.at(-1)!.replace("vulkan:", "");
  };
  for (
    const [name, word] of [
      ["NVIDIA GeForce RTX 4090 Laptop GPU", "4090"],
      ["NVIDIA H100 80GB HBM3", "H100"],
      ["NVIDIA A100-SXM4-80GB", "A100-SXM4-80GB"],
      ["AMD Radeon RX 7900 XTX", "7900"],
      ["AMD Radeon Graphics (RADV RENOIR)", "Radeon"],
      ["Intel(R) Arc(TM) A770 Graphics (DG2)", "A770"],
      ["SwiftShader Device (Subzero)", "SwiftShader"],
    ]
  ) assert.equal(await wordOf(name), word);
  // Nothing but that tells it from its sister.
  assert.equal(await wordOf("RTX 3060 Ti", "RTX 3060"), "Ti");
  // "GPU" would mean the first of both.
  assert.equal(
    await wordOf("RTX 4090 Laptop GPU", "NVIDIA RTX 4090"),
    "Laptop",
  );
});
