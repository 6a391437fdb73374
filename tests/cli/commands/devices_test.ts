import assert from "node:assert/strict";
import type { DeviceListing } from "../../../src/backend/list_devices.ts";
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

const gpu: DeviceListing = {
  id: "gpu:0",
  backend: "webgpu",
  name: "NVIDIA A30",
  memoryBytes: 25769803776,
  gflops: 5210,
  problem: null,
  requests: ["gpu:0", "cuda:0", "A30"],
  pciId: "10de:20b7",
  adapter: {
    id: "gpu:0",
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

Deno.test("formatDevices() shows a table, and what each device can do", () => {
  assert.equal(
    formatDevices([gpu, cpu], 72),
    `device  name             memory  GFLOP/s  ask for it by
gpu:0   NVIDIA A30      25.8 GB    5,210  gpu:0, cuda:0, A30
cpu     AMD EPYC 7763  128.0 GB    2,310  cpu

gpu:0  GPU, 10de:20b7, through vulkan, subgroups of 32
       limits: buffer 2.1 GB, binding 2.1 GB, workgroup 1,024 threads
       with 49.2 kB
       features: shader-f16, timestamp-query
cpu    32 cores, 64 hardware threads; native avx2`,
  );
});

Deno.test("formatDevices() says where equal cards are", () => {
  const cards = ["0000:18:00.0", "0000:2a:00.0"].map((pciAddress, n) => ({
    ...gpu,
    id: `vulkan:${n}`,
    adapter: { ...gpu.adapter, pciAddress },
  }));
  const lines = formatDevices(cards, 90).split("\n");
  assert.deepEqual(lines.filter((line) => line.includes("GPU,")), [
    "vulkan:0  GPU, 10de:20b7 at 0000:18:00.0, through vulkan, subgroups of 32",
    "vulkan:1  GPU, 10de:20b7 at 0000:2a:00.0, through vulkan, subgroups of 32",
  ]);
});

Deno.test("formatDevices() leaves out what is not known", () => {
  const software: DeviceListing = {
    ...gpu,
    id: "software",
    name: "llvmpipe",
    memoryBytes: null,
    gflops: null,
    requests: ["software"],
    pciId: null,
    adapter: {
      ...gpu.adapter,
      isSoftware: true,
      api: null,
      subgroupSizes: [4, 128],
      features: [],
    },
  };
  assert.equal(
    formatDevices([software], 200),
    `device    name      memory  ask for it by
software  llvmpipe     n/a  software

software  no GPU: computes on the CPU, only if asked for, subgroups of 4 to 128
          limits: buffer 2.1 GB, binding 2.1 GB, workgroup 1,024 threads with 49.2 kB
          features: none`,
  );
});
