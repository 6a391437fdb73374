import assert from "node:assert/strict";
import { listDevices, openBackend } from "../../src/backend/devices.ts";
import { UserError } from "../../src/base/errors.ts";
import { loadKernels } from "../../src/backend/cpu/kernels.ts";
import { readCpuInfo } from "../../src/backend/cpu/cores.ts";

const { name, cores } = readCpuInfo();

/** Opens and closes; what matters is which device it was, and what was said. */
async function choose(choice: Parameters<typeof openBackend>[0]) {
  const { backend, warnings } = await openBackend(choice);
  await backend.dispose();
  return { ...backend.device, warnings };
}

for (const device of ["auto", "cpu", " CPU ", name, name.slice(1, 4)]) {
  Deno.test(`openBackend() takes the CPU when asked for "${device}"`, async () => {
    const chosen = await choose({ device });
    assert.equal(chosen.backend, "cpu");
    assert.equal(chosen.threads, cores);
    assert.deepEqual(chosen.warnings, []);
  });
}

Deno.test("openBackend() starts as many threads as it is told", async () => {
  assert.equal((await choose({ device: "cpu", threads: 3 })).threads, 3);
});

for (const device of ["gpu", "gpu:0", "cuda:1", "no such name"]) {
  Deno.test(`openBackend() warns when asked for "${device}"`, async () => {
    assert.deepEqual((await choose({ device })).warnings, [
      `Cannot use device "${device}", this machine offers cpu (${name}): ` +
      "using cpu",
    ]);
  });

  Deno.test(`openBackend() refuses "${device}" when strict`, async () => {
    await assert.rejects(
      openBackend({ device, strict: true }),
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
  await assert.rejects(
    openBackend({ device: "auto", precision: "fp16", strict: true }),
    new UserError(message, {
      hint: "use --precision fp32, or leave out --strict-device",
      exitCode: 2,
    }),
  );
});

Deno.test({
  name: "openBackend() computes in bf16 where the processor can",
  ignore: loadKernels().noBf16 !== null,
  async fn() {
    const chosen = await choose({ device: "cpu", precision: "bf16" });
    assert.deepEqual(chosen.warnings, []);
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
    assert.equal((await listDevices())[0].noNative, reason);
  },
});

Deno.test("listDevices() describes the CPU, and measures it when asked", async () => {
  const [cpu] = await listDevices({ measure: true });
  assert.equal(cpu.id, "cpu");
  assert.equal(cpu.name, name);
  assert.equal(cpu.cores, cores);
  assert.ok(cpu.memoryBytes > 1e8);
  assert.ok(cpu.gflops! > 0.1, `${cpu.gflops} GFLOP/s`);
  assert.equal(cpu.kernels, loadKernels().label);
  assert.equal((await listDevices())[0].gflops, null);
});
