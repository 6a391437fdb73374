import assert from "node:assert/strict";
import { chooseDevice } from "../../../src/backend/devices/choose_device.ts";
import { joinCards } from "../../../src/backend/devices/gpu_cards.ts";
import { listAdapters } from "../../../src/backend/webgpu/device/adapters.ts";
import { UserError } from "../../../src/base/errors.ts";
import { adapter, vulkanAdapter } from "./_fake_adapter.ts";

const os = "linux";
const cpu = "AMD EPYC 7763 64-Core Processor";
const A30 = adapter({ name: "NVIDIA A30", vendor: 0x10de, device: 0x20b7 });
const RTX = adapter({
  name: "NVIDIA GeForce RTX 4090",
  vendor: 0x10de,
  device: 0x2684,
});
const RADEON = adapter({
  name: "AMD Radeon Graphics (RADV RENOIR)",
  vendor: 0x1002,
  device: 0x1636,
});
const LLVMPIPE = adapter({
  name: "llvmpipe (LLVM 15.0.6, 256 bits)",
  vendor: 0x10005,
  isFallback: true,
});

/** What a machine with at most a fast, a frugal and a software adapter has. */
async function machine(
  fast?: GPUAdapter,
  frugal = fast,
  software?: GPUAdapter,
) {
  const webgpu = await listAdapters({
    requestAdapter: (wish) =>
      Promise.resolve(
        (wish?.forceFallbackAdapter
          ? software
          : wish?.powerPreference === "low-power"
          ? frugal
          : fast) ?? null,
      ),
  });
  return { cpu, cards: joinCards({ os, webgpu, vulkan: [] }) };
}

const full = await machine(RTX, RADEON, LLVMPIPE);
const none = await machine();
const server = await machine(A30);
const software = await machine(LLVMPIPE);

for (
  const [request, expected] of [
    ["auto", "NVIDIA GeForce RTX 4090"],
    [" AUTO ", "NVIDIA GeForce RTX 4090"],
    ["gpu", "NVIDIA GeForce RTX 4090"],
    ["gpu:0", "NVIDIA GeForce RTX 4090"],
    ["gpu:1", "AMD Radeon Graphics (RADV RENOIR)"],
    ["cuda", "NVIDIA GeForce RTX 4090"],
    ["CUDA:0", "NVIDIA GeForce RTX 4090"],
    ["rtx", "NVIDIA GeForce RTX 4090"],
    ["radv renoir", "AMD Radeon Graphics (RADV RENOIR)"],
    ["amd", "AMD Radeon Graphics (RADV RENOIR)"],
    ["cpu", null],
    ["cpu:0", null],
    ["EPYC", null],
    ["amd:1", null],
  ] as const
) {
  Deno.test(`chooseDevice() takes ${expected ?? "the CPU"} for "${request}"`, () => {
    const { card, warnings } = chooseDevice(request, full);
    assert.equal(card?.name ?? null, expected);
    assert.deepEqual(warnings, []);
  });
}

Deno.test("chooseDevice() never takes software unless it is named", () => {
  assert.equal(chooseDevice("auto", software).card, null);
  for (const request of ["gpu", "gpu:0", "cuda"]) {
    assert.equal(chooseDevice(request, software).card, null);
  }
  for (const request of ["software", "software:0", "llvmpipe"]) {
    const { card, warnings } = chooseDevice(request, software);
    assert.equal(card?.id, "software");
    assert.deepEqual(warnings, [
      "Device software (llvmpipe (LLVM 15.0.6, 256 bits)) is no GPU: it " +
      "computes on the CPU, slower than --device cpu",
    ]);
  }
});

Deno.test("chooseDevice() says what was asked, what is there, what it takes", () => {
  assert.deepEqual(chooseDevice("cuda:1", full).warnings, [
    'Cannot use device "cuda:1", this machine offers gpu:0 (NVIDIA GeForce ' +
    "RTX 4090), gpu:1 (AMD Radeon Graphics (RADV RENOIR)), cpu (AMD EPYC " +
    "7763 64-Core Processor), software (llvmpipe (LLVM 15.0.6, 256 bits), " +
    "runs on the CPU): using gpu:0 (NVIDIA GeForce RTX 4090)",
  ]);
  assert.deepEqual(chooseDevice("gpu", none), {
    card: null,
    ways: [],
    warnings: [
      `Cannot use device "gpu", this machine offers cpu (${cpu}): using cpu; ` +
      "hearth doctor tells why there is no GPU",
    ],
  });
});

for (const request of ["A30", "gpu:2", "cuda:7", "cpu:1", "", ":0", "gpu:-1"]) {
  Deno.test(`chooseDevice() falls back from "${request}" to the best`, () => {
    const { card, warnings } = chooseDevice(request, full);
    assert.equal(card?.id, "gpu:0");
    assert.equal(warnings.length, 1);
  });
}

Deno.test("chooseDevice() fails when strict, and points to the doctor", () => {
  assert.throws(
    () => chooseDevice("A30", full, { strict: true }),
    (error) =>
      error instanceof UserError && error.exitCode === 2 &&
      error.hint === "use one of these, or leave out --strict-device",
  );
  assert.throws(
    () => chooseDevice("gpu", software, { strict: true }),
    (error) => error instanceof UserError && /doctor/.test(error.hint!),
  );
  // A second one in software would be no GPU either.
  assert.throws(
    () => chooseDevice("vulkan:software", software, { strict: true }),
    { hint: "use one of these, or leave out --strict-device" },
  );
  const { card } = chooseDevice("A30", server, { strict: true });
  assert.equal(card?.id, "gpu:0");
});

/** Two equal cards, of which WebGPU shows the first, and one by AMD. */
const pair = {
  cpu,
  cards: joinCards({
    os,
    webgpu: (await listAdapters({
      requestAdapter: (wish) =>
        Promise.resolve(wish?.powerPreference === "low-power" ? RADEON : A30),
    })).filter(({ info }) => !info.isSoftware),
    vulkan: [0, 1, 2].map((place) =>
      vulkanAdapter(place === 1 ? RADEON : A30, { place })
    ),
  }),
};

for (
  const [request, expected] of [
    ["auto", "vulkan:0 webgpu:0"],
    ["gpu", "vulkan:0 webgpu:0"],
    ["a30", "vulkan:0 webgpu:0"],
    ["cuda:1", "vulkan:1"],
    ["gpu:1", "vulkan:1"],
    ["a30:1", "vulkan:1"],
    ["gpu:2", "webgpu:2"],
    ["radeon", "webgpu:2"],
    ["webgpu", "webgpu:0"],
    ["WebGPU:0", "webgpu:0"],
    ["webgpu:2", "webgpu:2"],
    ["webgpu:radeon", "webgpu:2"],
    ["vulkan", "vulkan:0 webgpu:0"],
    ["vulkan:", "vulkan:0 webgpu:0"],
    ["vulkan:1", "vulkan:1"],
    ["vulkan:cuda:1", "vulkan:1"],
    ["vulkan:2", "vulkan:2 webgpu:2"],
    ["vulkan:amd", "vulkan:2 webgpu:2"],
  ]
) {
  Deno.test(`chooseDevice() takes the ways ${expected} for "${request}"`, () => {
    const { ways, warnings } = chooseDevice(request, pair);
    assert.equal(ways.map(({ info }) => info.id).join(" "), expected);
    assert.deepEqual(warnings, []);
  });
}

Deno.test("chooseDevice() takes no other way when strict and one is named", () => {
  const strict = { strict: true };
  const ids = (request: string) =>
    chooseDevice(request, pair, strict).ways.map(({ info }) => info.id);
  assert.deepEqual(ids("vulkan:0"), ["vulkan:0"]);
  assert.deepEqual(ids("gpu:0"), ["vulkan:0", "webgpu:0"]);
});

Deno.test("chooseDevice() says which cards a way does not lead to", () => {
  const { ways, warnings } = chooseDevice("webgpu:1", pair);
  assert.equal(ways[0].info.id, "webgpu:0");
  assert.deepEqual(warnings, [
    'Cannot use device "webgpu:1": WebGPU does not show gpu:1 (NVIDIA A30); ' +
    "this machine offers webgpu:0 (NVIDIA A30), gpu:1 (NVIDIA A30), " +
    "webgpu:2 (AMD Radeon Graphics (RADV RENOIR)), cpu (AMD EPYC 7763 " +
    "64-Core Processor): using webgpu:0 (NVIDIA A30)",
  ]);
  const far = chooseDevice("webgpu:7", pair);
  assert.match(far.warnings[0], /^Cannot use device "webgpu:7", this machine/);
  assert.equal(far.ways[0].info.id, "webgpu:0");
  const noVulkan = "libvulkan.so.1 is missing";
  const without = chooseDevice("vulkan:1", { ...server, noVulkan });
  assert.match(
    without.warnings[0],
    /^Cannot use device "vulkan:1": libvulkan.so.1 is missing; this machine offers gpu:0 .*: using gpu:0 \(NVIDIA A30\)$/,
  );
  assert.equal(without.ways[0].info.id, "webgpu:0");
});

Deno.test("chooseDevice() leaves what was not measured to who asks for it", () => {
  const one = {
    cpu,
    cards: joinCards({
      os,
      webgpu: [],
      vulkan: [vulkanAdapter(RADEON), vulkanAdapter(LLVMPIPE)],
    }),
  };
  assert.deepEqual(chooseDevice("auto", one).ways, []);
  assert.deepEqual(chooseDevice("gpu:0", one), {
    card: null,
    ways: [],
    warnings: [
      'Cannot use device "gpu:0": gpu:0 (AMD Radeon Graphics (RADV RENOIR)) ' +
      "is shown by Vulkan alone, as vulkan:0; this machine offers vulkan:0 " +
      "(AMD Radeon Graphics (RADV RENOIR)), cpu (AMD EPYC 7763 64-Core " +
      "Processor), vulkan:software (llvmpipe (LLVM 15.0.6, 256 bits), runs " +
      "on the CPU): using cpu; hearth doctor tells why there is no GPU",
    ],
  });
  assert.equal(chooseDevice("vulkan", one).ways[0].info.id, "vulkan:0");
  const { ways, warnings } = chooseDevice("vulkan:software", one);
  assert.equal(ways[0].info.id, "vulkan:software");
  assert.equal(warnings.length, 1);
});
