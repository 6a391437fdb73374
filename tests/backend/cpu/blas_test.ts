import assert from "node:assert/strict";
import {
  BLAS,
  blasIsRight,
  type BlasLibrary,
} from "../../../src/backend/cpu/blas.ts";
import { loadKernels } from "../../../src/backend/cpu/kernels.ts";
import { openBackend } from "../../../src/backend/devices/open_backend.ts";
import { noBlas } from "./_builds.ts";

const MISSING: BlasLibrary = { name: "nothing", files: ["libnothing.so.0"] };

Deno.test("blasIsRight() says which files it cannot open", () => {
  assert.throws(() => blasIsRight(MISSING), /Cannot open libnothing\.so\.0/);
});

/** A library that is there but multiplies wrongly is no reason to skip. */
const isMissing = noBlas?.includes("Cannot open") ?? false;

// What it computes is tested with the other builds, see _builds.ts.
Deno.test({
  name: "blas multiplies when asked to" +
    (isMissing ? ` (skipped: ${noBlas})` : ""),
  ignore: isMissing,
  async fn() {
    assert.ok(blasIsRight(BLAS));
    const { label } = loadKernels({ gemm: "blas" });
    assert.match(label, new RegExp(`^${BLAS.name} gemm, wasm`));
    const { backend, warnings } = await openBackend({
      device: "cpu",
      gemm: "blas",
      precision: "bf16",
    });
    await backend.dispose();
    assert.equal(backend.device.kernels, label);
    assert.deepEqual(warnings, [
      "Cannot compute in bf16: BLAS offers fp32: using fp32",
    ]);
  },
});
