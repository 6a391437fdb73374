import assert from "node:assert/strict";
import { UserError } from "../../src/base/errors.ts";
import { chooseDevice } from "../../src/backend/choose_device.ts";
import { listAdapters } from "../../src/backend/webgpu/adapters.ts";
import { adapter } from "./_fake_adapter.ts";

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
  const found = await listAdapters({
    requestAdapter: (wish) =>
      Promise.resolve(
        (wish?.forceFallbackAdapter
          ? software
          : wish?.powerPreference === "low-power"
          ? frugal
          : fast) ?? null,
      ),
  });
  return { cpu, adapters: found.map(({ info }) => info) };
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
    const { adapter, warnings } = chooseDevice(request, full);
    assert.equal(adapter?.name ?? null, expected);
    assert.deepEqual(warnings, []);
  });
}

Deno.test("chooseDevice() never takes software unless it is named", () => {
  assert.equal(chooseDevice("auto", software).adapter, null);
  for (const request of ["gpu", "gpu:0", "cuda"]) {
    assert.equal(chooseDevice(request, software).adapter, null);
  }
  for (const request of ["software", "software:0", "llvmpipe"]) {
    const { adapter, warnings } = chooseDevice(request, software);
    assert.equal(adapter?.id, "software");
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
    adapter: null,
    warnings: [
      `Cannot use device "gpu", this machine offers cpu (${cpu}): using cpu; ` +
      "hearth doctor tells why there is no GPU",
    ],
  });
});

for (const request of ["A30", "gpu:2", "cuda:7", "cpu:1", "", ":0", "gpu:-1"]) {
  Deno.test(`chooseDevice() falls back from "${request}" to the best`, () => {
    const { adapter, warnings } = chooseDevice(request, full);
    assert.equal(adapter?.id, "gpu:0");
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
  const { adapter } = chooseDevice("A30", server, { strict: true });
  assert.equal(adapter?.id, "gpu:0");
});
