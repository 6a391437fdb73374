import assert from "node:assert/strict";
import { kernelCheck } from "../../src/cli/doctor.ts";

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
