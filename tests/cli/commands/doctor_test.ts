import assert from "node:assert/strict";
import type { GpuApi } from "../../../src/backend/devices/gpu_cards.ts";
import type { AdapterListing } from "../../../src/backend/devices/list_devices.ts";
import { NO_GPU_SAMPLE } from "../../../src/run/telemetry/gpu_sample.ts";
import {
  formatChecks,
  formatFigures,
  gpuCheck,
  kernelCheck,
  wayCheck,
} from "../../../src/cli/commands/doctor.ts";

Deno.test("kernelCheck() warns only where native code is missed", () => {
  const name = "cpu kernels";
  assert.deepEqual(
    kernelCheck({ id: "cpu", kernels: "native", noNative: null }),
    { name, verdict: "ok", text: "native" },
  );
  assert.deepEqual(
    kernelCheck({ id: "cpu", kernels: "wasm simd", noNative: "no AVX2" }),
    {
      name,
      verdict: Deno.build.arch === "x86_64" ? "warn" : "ok",
      text: "wasm simd; no native matrix products: no AVX2",
    },
  );
});

Deno.test("gpuCheck() warns of what can be put right, and says how", () => {
  assert.deepEqual(
    gpuCheck({ problem: "the loader is missing", fix: "install it" }),
    {
      name: "gpu",
      verdict: "warn",
      text: "the loader is missing; install it",
    },
  );
  assert.deepEqual(
    gpuCheck({ problem: "this machine shows no GPU", fix: null }),
    { name: "gpu", verdict: "ok", text: "this machine shows no GPU" },
  );
});

Deno.test("formatFigures() leaves out what the system does not tell", () => {
  assert.equal(
    formatFigures({ vendor: "nvidia" }, {
      gpuUtilPct: 0,
      vramUsedBytes: 4e6,
      vramTotalBytes: 25769803776,
      powerW: 29.51,
      tempC: 33,
    }),
    "25.8 GB memory, 0 % busy, 30 W, 33 °C",
  );
  assert.equal(
    formatFigures({ vendor: "nvidia" }, NO_GPU_SAMPLE),
    "none: nvidia-smi is not there or does not answer",
  );
  assert.equal(
    formatFigures({ vendor: "apple" }, NO_GPU_SAMPLE),
    "none: this system does not tell",
  );
});

Deno.test("wayCheck() says how a card is used, and what is in the way", () => {
  const way = (backend: GpuApi, isUsual: boolean) => ({
    ...{ id: `${backend}:0`, backend, isUsual, gflops: null, problem: null },
    adapter: {} as AdapterListing["adapter"],
  });
  const text = (
    ways: AdapterListing["ways"],
    warnings?: readonly string[],
  ) => {
    const check = wayCheck({ id: "gpu:0", ways }, warnings);
    assert.equal(check.name, "gpu:0 used");
    return `${check.verdict}: ${check.text}`;
  };
  const both = [way("vulkan", true), way("webgpu", false)];
  assert.equal(
    text(both, ["It fails: using WebGPU", "That does: using cpu"]),
    "warn: It fails: using WebGPU; That does: using cpu",
  );
  assert.equal(
    text(both),
    "ok: through Vulkan; through WebGPU by --device webgpu:0",
  );
  assert.equal(text([way("webgpu", true)]), "ok: through WebGPU");
  assert.equal(
    text([way("vulkan", false)]),
    "ok: only through Vulkan by --device vulkan:0: it is not shown by WebGPU",
  );
});

Deno.test("formatChecks() breaks lines between words, below their beginning", () => {
  const text = "there is no Vulkan driver for Intel; install Mesa's drivers";
  const checks = [
    { name: "cpu", verdict: "ok", text: "AMD EPYC" },
    { name: "gpu:0 used", verdict: "warn", text },
  ] as const;
  assert.equal(
    formatChecks(checks, 48),
    `ok    cpu         AMD EPYC
warn  gpu:0 used  there is no Vulkan driver for
                  Intel; install Mesa's drivers`,
  );
  // A pipe gets one line for each.
  assert.equal(
    formatChecks(checks),
    `ok    cpu         AMD EPYC\nwarn  gpu:0 used  ${text}`,
  );
});
