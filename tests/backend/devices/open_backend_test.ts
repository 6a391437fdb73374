import assert from "node:assert/strict";
import { readCpuInfo } from "../../../src/backend/cpu/cores.ts";
import { loadKernels } from "../../../src/backend/cpu/kernels.ts";
import { estimateWork } from "../../../src/backend/devices/auto_device.ts";
import type {
  DeviceSources,
  Precision,
} from "../../../src/backend/devices/device_sources.ts";
import { listDevices } from "../../../src/backend/devices/list_devices.ts";
import { openBackend } from "../../../src/backend/devices/open_backend.ts";
import { UserError } from "../../../src/base/errors.ts";
import { type Choice, choose, CPU_ONLY, gpuMachine } from "./_gpu_machine.ts";

const { name, cores } = readCpuInfo();

for (const device of ["auto", "cpu", " CPU ", name, name.slice(1, 4)]) {
  Deno.test(`openBackend() takes the CPU when asked for "${device}"`, async () => {
    const chosen = await choose({ device });
    assert.equal(chosen.backend, "cpu");
    assert.equal(chosen.threads, cores);
    assert.deepEqual(chosen.warnings, []);
  });
}

Deno.test("openBackend() tells of a card that no driver shows", async () => {
  const ofVendors = (...vendorIds: number[]) => ({
    ...CPU_ONLY,
    listCards: () =>
      vendorIds.map((vendorId) => ({ vendorId, deviceId: 1, driver: null })),
  });
  const notes = async (device: string, sources: DeviceSources) =>
    (await choose({ device }, sources)).notes;
  const nvidia = ofVendors(0x1a03, 0x10de); // a server's console, a GPU
  assert.deepEqual(await notes("auto", nvidia), [
    "Device auto takes the CPU: there is a card by NVIDIA, but no driver " +
    "shows it; hearth doctor says why",
  ]);
  assert.deepEqual(await notes("cpu", nvidia), []);
  assert.deepEqual(await notes("gpu", nvidia), []); // a warning says it
  assert.deepEqual(await notes("auto", ofVendors(0x1a03, 0x1af4)), []);
  assert.deepEqual(await notes("auto", ofVendors()), []);
  // A run goes on with the device it has.
  const previous = { backend: "cpu" } as const;
  const resumed = await choose({ device: "auto", previous }, nvidia);
  assert.deepEqual(resumed.notes, []);
});

Deno.test("openBackend() starts as many threads as it is told", async () => {
  const machine = { ...CPU_ONLY, hardwareThreads: 3 };
  const chosen = await choose({ device: "cpu", threads: 3 }, machine);
  assert.equal(chosen.threads, 3);
  assert.deepEqual(chosen.warnings, []);
});

Deno.test("openBackend() starts no more threads than run at a time", async () => {
  const machine = { ...CPU_ONLY, hardwareThreads: 3 };
  for (const strict of [false, true]) {
    const threads = 4096;
    const chosen = await choose({ device: "cpu", threads, strict }, machine);
    assert.equal(chosen.threads, 3);
    assert.deepEqual(chosen.warnings, [
      "Cannot run 4,096 threads at a time: this machine runs 3, more would " +
      "wait for each other: using 3",
    ]);
  }
});

for (const device of ["gpu", "gpu:0", "cuda:1", "no such name"]) {
  Deno.test(`openBackend() warns when asked for "${device}"`, async () => {
    assert.deepEqual((await choose({ device })).warnings, [
      `Cannot use device "${device}", this machine offers cpu (${name}): ` +
      "using cpu; hearth doctor tells why there is no GPU",
    ]);
  });

  Deno.test(`openBackend() refuses "${device}" when strict`, async () => {
    await assert.rejects(
      openBackend({ device, strict: true }, CPU_ONLY),
      (error) => error instanceof UserError && error.exitCode === 2,
    );
  });
}

Deno.test("openBackend() warns when asked for a precision it lacks", async () => {
  const message =
    "Cannot compute in fp16: the CPU backend offers fp32 and bf16";
  assert.deepEqual(
    (await choose({ device: "auto", precision: "fp16" })).warnings,
    [`${message}: using fp32`],
  );
  assert.deepEqual(
    (await choose({ device: "cpu", gemm: "wasm", precision: "bf16" })).warnings,
    ["Cannot compute in bf16: WebAssembly offers fp32: using fp32"],
  );
  const native = loadKernels().noBf16 ? "fp32" : "bf16 or fp32";
  for (const [gemm, offer] of [["auto", native], ["wasm", "fp32"]] as const) {
    await assert.rejects(
      openBackend(
        { device: "auto", precision: "fp16", gemm, strict: true },
        CPU_ONLY,
      ),
      new UserError(message, {
        hint: `use --precision ${offer}, or leave out --strict-device`,
        exitCode: 2,
      }),
    );
  }
});

Deno.test({
  name: "openBackend() computes in bf16 where the processor can",
  ignore: loadKernels().noBf16 !== null,
  async fn() {
    const chosen = await choose({ device: "cpu", precision: "bf16" });
    assert.deepEqual(chosen.warnings, []);
    assert.equal(chosen.precision, "bf16");
    assert.equal(chosen.kernels, loadKernels({ precision: "bf16" }).label);
    assert.match(chosen.kernels, /bf16/);
  },
});

const { label: ownLabel, noNative } = loadKernels();
const wasmLabel = loadKernels({ gemm: "wasm" }).label;

Deno.test("openBackend() multiplies in WebAssembly when asked to", async () => {
  const chosen = await choose({ device: "cpu", gemm: "wasm" });
  assert.equal(chosen.kernels, wasmLabel);
  assert.equal(chosen.noNative, "not asked for");
  assert.deepEqual(chosen.warnings, []);
});

Deno.test({
  name: "openBackend() takes native code where it runs",
  ignore: noNative !== null,
  async fn() {
    for (const gemm of ["auto", "native"] as const) {
      const chosen = await choose({ device: "cpu", gemm });
      assert.equal(chosen.kernels, ownLabel);
      assert.equal("noNative" in chosen, false);
      assert.deepEqual(chosen.warnings, []);
    }
  },
});

Deno.test({
  name: "openBackend() says why there is no native code",
  permissions: { ffi: false, read: "inherit", sys: "inherit" },
  async fn() {
    const reason = loadKernels().noNative;
    assert.ok(reason !== null);
    const message = `Cannot multiply matrices in native code: ${reason}`;
    const chosen = await choose({ device: "cpu", gemm: "native" });
    assert.equal(chosen.kernels, wasmLabel);
    assert.deepEqual(chosen.warnings, [`${message}: using WebAssembly`]);

    const auto = await choose({ device: "cpu" });
    assert.equal(auto.noNative, reason);
    assert.deepEqual(
      auto.warnings,
      Deno.build.arch === "x86_64" ? [`${message}: using WebAssembly`] : [],
    );

    await assert.rejects(
      openBackend({ device: "cpu", gemm: "native", strict: true }),
      new UserError(message, {
        hint: "use --gemm auto or wasm, or leave out --strict-device",
        exitCode: 2,
      }),
    );
    const [cpu] = await listDevices({ sources: CPU_ONLY });
    assert.ok(cpu.backend === "cpu" && cpu.noNative === reason);
  },
});

const tiny = estimateWork({ B: 8, T: 128, C: 128, L: 4, parameterCount: 1e6 });
const large = estimateWork({
  B: 8,
  T: 1024,
  C: 768,
  L: 12,
  parameterCount: 1e8,
});

Deno.test("openBackend() takes the GPU unasked, and closes it", async () => {
  const { sources, events } = gpuMachine();
  const chosen = await choose({ device: "auto" }, sources);
  assert.equal(chosen.id, "vulkan:0");
  assert.equal(chosen.backend, "vulkan");
  assert.deepEqual(events, [
    ...["list", "list vulkan", "open vulkan:0 fp32", "close vulkan:0"],
  ]);
  assert.deepEqual([chosen.warnings, chosen.notes], [[], []]);
});

Deno.test("openBackend() says why there is no Vulkan", async () => {
  assert.deepEqual((await choose({ device: "vulkan" })).warnings, [
    'Cannot use device "vulkan": libvulkan.so.1 is missing; this machine ' +
    `offers cpu (${name}): using cpu; hearth doctor tells why there is no GPU`,
  ]);
  const { sources } = gpuMachine();
  const chosen = await choose({ device: "vulkan:2" }, sources);
  assert.equal(chosen.id, "vulkan:0");
  assert.match(
    chosen.warnings[0],
    /^Cannot use device "vulkan:2", .* vulkan:1 .*using vulkan:0 /,
  );
  await assert.rejects(
    openBackend({ device: "vulkan:2", strict: true }, sources),
    (error) => error instanceof UserError && error.exitCode === 2,
  );
});

Deno.test("openBackend() leaves drivers alone for the CPU", async () => {
  const { sources, events } = gpuMachine();
  assert.equal((await choose({ device: "cpu" }, sources)).id, "cpu");
  assert.deepEqual(events, ["open cpu"]);
});

Deno.test("openBackend() takes the CPU when the GPU does not open", async () => {
  const { sources } = gpuMachine({ fails: "out of memory" });
  const { id, warnings } = await choose({ device: "gpu" }, sources);
  assert.equal(id, "cpu");
  assert.deepEqual(warnings, [
    "Cannot open vulkan:0 (NVIDIA A30): out of memory: using WebGPU",
    "Cannot open webgpu:0 (NVIDIA A30): out of memory: using cpu",
  ]);
  await assert.rejects(
    openBackend({ device: "gpu", strict: true }, sources),
    (error) => error instanceof UserError && error.exitCode === 2,
  );
});

Deno.test("openBackend() computes in fp16 where the adapter has it", async () => {
  const opened = async (precision: Precision, features: string[]) => {
    const { sources, events } = gpuMachine({ features });
    const { warnings } = await choose({ device: "gpu", precision }, sources);
    return [events[2], ...warnings];
  };
  assert.deepEqual(await opened("fp16", ["shader-f16"]), [
    "open vulkan:0 fp16",
  ]);
  assert.deepEqual(await opened("bf16", []), ["open vulkan:0 bf16"]);
  const problem = "Cannot compute in fp16: NVIDIA A30 lacks shader-f16";
  assert.deepEqual(await opened("fp16", []), [
    "open vulkan:0 fp32",
    `${problem}: using fp32`,
  ]);
  const { sources } = gpuMachine({ features: [] });
  await assert.rejects(
    openBackend({ device: "gpu", precision: "fp16", strict: true }, sources),
    (error) => error instanceof UserError && error.message === problem,
  );
});

Deno.test("openBackend() times both devices for a small model", async () => {
  const slow = {
    gflops: { cpu: 100, gpu: 1000 },
    callUs: { cpu: 1, gpu: 999 },
  };
  const onCpu = gpuMachine(slow);
  const choice = { device: "auto", work: tiny };
  const { id, warnings, notes } = await choose(choice, onCpu.sources);
  assert.equal(id, "cpu");
  assert.deepEqual(onCpu.events, [
    ...["list", "list vulkan", "open vulkan:0 fp32", "open cpu"],
    ...["measure gpu", "measure cpu", "close vulkan:0"],
  ]);
  assert.deepEqual(warnings, []);
  assert.deepEqual(notes, [
    "Device auto takes the CPU for this small model: cpu about 70 ms a " +
    "micro-step, vulkan:0 (NVIDIA A30) about 232 ms",
  ]);

  // What is said of a card is said where that is taken.
  const env = { CUDA_VISIBLE_DEVICES: "" };
  const without = await choose(choice, gpuMachine({ ...slow, env }).sources);
  assert.deepEqual(without.notes, notes);

  const onGpu = await choose(choice, gpuMachine({ env }).sources);
  assert.equal(onGpu.id, "vulkan:0");
  assert.match(onGpu.notes[0], /^CUDA_VISIBLE_DEVICES= has no effect/);
  assert.match(onGpu.notes[1], /takes the GPU .*: vulkan:0/);
});

Deno.test("openBackend() warns of what the device taken lacks, no other", async () => {
  const choice = { device: "auto", work: tiny, precision: "fp16" } as const;
  const slow = {
    gflops: { cpu: 100, gpu: 1000 },
    callUs: { cpu: 1, gpu: 999 },
  };
  const lacking = "Cannot compute in fp16: the CPU backend offers fp32 and " +
    "bf16: using fp32";
  const onCpu = await choose(choice, gpuMachine(slow).sources);
  assert.equal(onCpu.id, "cpu");
  assert.deepEqual(onCpu.warnings, [lacking]);
  const onGpu = await choose(choice, gpuMachine().sources);
  assert.equal(onGpu.id, "vulkan:0");
  assert.deepEqual(onGpu.warnings, []);
  const failed = gpuMachine({ fails: "it is gone" });
  const instead = await choose({ ...choice, device: "gpu" }, failed.sources);
  assert.match(instead.warnings[0], /^Cannot open vulkan:0 .*: it is gone/);
  assert.deepEqual(instead.warnings.slice(2), [lacking]);
});

Deno.test("openBackend() takes the GPU where a strict choice rules out the CPU", async () => {
  const { sources } = gpuMachine({ gflops: { cpu: 1e9, gpu: 1 } });
  const lacking: DeviceSources = {
    ...sources,
    openCpu: () => Promise.reject(new UserError("no", { hint: "" })),
  };
  const choice = { device: "auto", work: tiny, strict: true };
  assert.equal((await choose(choice, lacking)).id, "vulkan:0");
});

Deno.test("openBackend() closes both devices when timing them fails", async () => {
  const { sources, events } = gpuMachine();
  const failing: DeviceSources = {
    ...sources,
    measureSpeed: () => Promise.reject(new Error("the device is lost")),
  };
  await assert.rejects(
    openBackend({ device: "auto", work: tiny }, failing),
    /the device is lost/,
  );
  assert.equal(events.at(-1), "close vulkan:0"); // and the CPU's workers, or leak
});

for (
  const [what, choice] of [
    ["a large model", { device: "auto", work: large }],
    ["a GPU that was asked for", { device: "gpu", work: tiny }],
    ["a run that goes on", {
      device: "auto",
      work: tiny,
      previous: { backend: "vulkan" },
    }],
  ] satisfies [string, Choice][]
) {
  Deno.test(`openBackend() times nothing for ${what}`, async () => {
    const { sources, events } = gpuMachine({ gflops: { cpu: 1e9, gpu: 1 } });
    assert.equal((await choose(choice, sources)).id, "vulkan:0");
    assert.ok(!events.includes("measure gpu"));
  });
}

Deno.test("openBackend() stays with the CPU that auto has taken before", async () => {
  const { sources, events } = gpuMachine();
  const previous = { backend: "cpu" } as const;
  const choice = { device: "auto", work: large, previous };
  assert.equal((await choose(choice, sources)).id, "cpu");
  assert.deepEqual(events, ["open cpu"]);
});
