import assert from "node:assert/strict";
import type {
  AdapterListing,
  DeviceListing,
} from "../../../src/backend/devices/list_devices.ts";
import { formatDevices } from "../../../src/cli/commands/devices.ts";

const cpu: DeviceListing = {
  id: "cpu",
  backend: "cpu",
  name: "AMD EPYC 7763",
  memoryBytes: 128e9,
  gflops: 2310.4,
  problem: null,
  requests: ["cpu"],
  cores: 32,
  hardwareThreads: 64,
  kernels: "native avx2",
  noNative: null,
};

const webgpu: AdapterListing["ways"][0] = {
  id: "webgpu:0",
  backend: "webgpu",
  isUsual: true,
  gflops: 5210,
  problem: null,
  adapter: {
    id: "webgpu:0",
    name: "NVIDIA A30",
    isSoftware: false,
    vendor: "nvidia",
    vendorId: "4318",
    deviceId: "8375",
    api: "vulkan",
    subgroupSizes: [32, 32],
    features: ["bgra8unorm-storage", "shader-f16", "timestamp-query"],
    limits: {
      maxBufferSize: 2147483647,
      maxStorageBufferBindingSize: 2147483644,
      maxComputeInvocationsPerWorkgroup: 1024,
      maxComputeWorkgroupStorageSize: 49152,
    },
  },
};

const gpu: AdapterListing = {
  id: "gpu:0",
  backend: "webgpu",
  name: "NVIDIA A30",
  memoryBytes: 25769803776,
  gflops: 5210,
  problem: null,
  requests: ["gpu:0", "cuda:0", "A30"],
  pciId: "10de:20b7",
  adapter: webgpu.adapter,
  ways: [webgpu],
  noVulkan: null,
};

/** The same card with its driver. */
const vulkan: AdapterListing["ways"][0] = {
  ...webgpu,
  id: "vulkan:0",
  backend: "vulkan",
  gflops: 5100,
  adapter: {
    ...webgpu.adapter,
    id: "vulkan:0",
    pciAddress: "0000:18:00.0",
    features: ["bfloat16", "shader-f16"],
    matrixUnits: [
      { M: 16, N: 16, K: 16, scalar: "f16", lanes: 32 },
      { M: 16, N: 8, K: 16, scalar: "f16", lanes: 32 },
      { M: 16, N: 16, K: 16, scalar: "bf16", lanes: 32 },
    ],
    vulkan: {
      driver: "NVIDIA 580.95.05",
      isNvidiaDriver: true,
      driverVersion: 1,
      memoryBytes: 24e9,
      place: 0,
    },
  },
};

Deno.test("formatDevices() shows a table, and what each device can do", () => {
  assert.equal(
    formatDevices([gpu, cpu], 72),
    `device  name             memory  GFLOP/s  through  ask for it by
gpu:0   NVIDIA A30      25.8 GB    5,210  WebGPU   gpu:0, cuda:0, A30
cpu     AMD EPYC 7763  128.0 GB    2,310           cpu

gpu:0  GPU, 10de:20b7, subgroups of 32
       through WebGPU (webgpu:0), the default, on vulkan, 5,210 GFLOP/s
       limits: buffer 2.1 GB, binding 2.1 GB, workgroup 1,024 threads
       with 49.2 kB
       features: shader-f16, timestamp-query
cpu    32 cores, 64 hardware threads; native avx2`,
  );
});

Deno.test("formatDevices() shows a card once, with both ways to it", () => {
  const ways = [vulkan, { ...webgpu, isUsual: false }];
  const card = { ...gpu, ...vulkan, id: "gpu:0", ways };
  assert.equal(
    formatDevices([card], 90),
    `device  name         memory  GFLOP/s  through  ask for it by
gpu:0   NVIDIA A30  25.8 GB    5,100  Vulkan   gpu:0, cuda:0, A30

gpu:0  GPU, 10de:20b7 at 0000:18:00.0, subgroups of 32
       through Vulkan (vulkan:0), the default, driver NVIDIA 580.95.05, 5,100 GFLOP/s
       limits: buffer 2.1 GB, binding 2.1 GB, workgroup 1,024 threads with 49.2 kB
       features: bfloat16, shader-f16
       matrix units: f16 16x16x16 16x8x16, bf16 16x16x16
       through WebGPU (webgpu:0), on vulkan, 5,210 GFLOP/s
       limits: buffer 2.1 GB, binding 2.1 GB, workgroup 1,024 threads with 49.2 kB
       features: shader-f16, timestamp-query`,
  );
});

Deno.test("formatDevices() calls no way the default that does not work", () => {
  const ways = [{ ...vulkan, gflops: null, problem: "its driver crashed" }];
  assert.match(
    formatDevices([{ ...gpu, ways }], 90),
    /through Vulkan \(vulkan:0\), the default if it works, driver NVIDIA/,
  );
});

Deno.test("formatDevices() says why a card is not used through Vulkan", () => {
  const lines = formatDevices([{ ...gpu, noVulkan: "no loader" }], 90);
  assert.match(lines, /\n {7}not through Vulkan: no loader$/);
});

Deno.test("formatDevices() leaves out what is not known", () => {
  const adapter = {
    ...gpu.adapter,
    isSoftware: true,
    api: null,
    subgroupSizes: [4, 128] as const,
    features: [],
  };
  const software: DeviceListing = {
    ...gpu,
    id: "software",
    name: "llvmpipe",
    memoryBytes: null,
    gflops: null,
    requests: ["software"],
    pciId: null,
    adapter,
    ways: [{ ...webgpu, id: "software", gflops: null, adapter }],
  };
  assert.equal(
    formatDevices([software], 200),
    `device    name      memory  through  ask for it by
software  llvmpipe     n/a  WebGPU   software

software  no GPU: computes on the CPU, only if asked for, subgroups of 4 to 128
          through WebGPU (software), the default
          limits: buffer 2.1 GB, binding 2.1 GB, workgroup 1,024 threads with 49.2 kB
          features: none`,
  );
});

Deno.test("formatDevices() moves what does not fit below the table", () => {
  const name = "llvmpipe (LLVM 15.0.6, 256 bits)";
  const software: DeviceListing = {
    ...gpu,
    ...{ id: "software", name, requests: ["software", "llvmpipe"] },
    ...{ memoryBytes: 25.3e9, gflops: 12 },
  };
  const narrow = formatDevices([software, cpu], 66).split("\n");
  assert.deepEqual(narrow.slice(0, 5), [
    "device    name                                memory  GFLOP/s",
    "software  llvmpipe (LLVM 15.0.6, 256 bits)   25.3 GB       12",
    "cpu       AMD EPYC 7763                     128.0 GB    2,310",
    "",
    "software  GPU, 10de:20b7, subgroups of 32",
  ]);
  assert.equal(narrow[5], "          ask for it by software, llvmpipe");
  // There, but for the way, which is below in any case: nothing twice.
  const wider = formatDevices([software, cpu], 84);
  assert.equal(wider.match(/ask for it by/g)?.length, 1);
  assert.match(wider, /^device +name +memory +GFLOP\/s +ask for it by\n/);
  const narrower = formatDevices([software, cpu], 58).split("\n");
  assert.ok(!narrower[0].includes("memory"));
  assert.deepEqual(narrower.slice(5, 7), [
    "          25.3 GB of memory",
    "          ask for it by software, llvmpipe",
  ]);
  for (const columns of [58, 60, 66, 80]) {
    const lines = formatDevices([software, cpu], columns).split("\n");
    assert.ok(lines.every(({ length }) => length <= columns), `${columns}`);
    // Speed and name are never cut.
    assert.match(lines[1], /bits\) .* 12( |$)/);
  }
});
