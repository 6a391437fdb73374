/**
 * A WebGPU adapter for tests: any there is, software too. With the variable
 * HEARTH_TEST_DRIVER=vulkan it is one of src/backend/vulkan/.
 *
 * Without one, tests that need it are skipped, and say so; with the variable
 * REQUIRE_GPU=1 that is a failure.
 *
 * @module
 */

import { listVulkanAdapters } from "../../../src/backend/vulkan/adapters.ts";
import { listAdapters } from "../../../src/backend/webgpu/device/adapters.ts";
import type { TuningCache } from "../../../src/backend/webgpu/tuning/tuning_cache.ts";
import {
  openWebGpuBackend,
  type WebGpuBackend,
  type WebGpuOptions,
} from "../../../src/backend/webgpu/webgpu_backend.ts";

/** The first adapter; only where {@linkcode noAdapter} is false. */
export const [testAdapter] = Deno.env.get("HEARTH_TEST_DRIVER") === "vulkan"
  ? listVulkanAdapters()
  : await listAdapters();

if (!testAdapter) {
  const missing = "no WebGPU adapter: its tests are skipped (on Debian, " +
    "install mesa-vulkan-drivers for one in software)";
  if (Deno.env.get("REQUIRE_GPU") === "1") throw new Error(missing);
  console.warn(missing);
}

/** Whether tests that need an adapter are skipped. */
export const noAdapter = !testAdapter;

/** What the tests of this process tuned, so that none touches the user's. */
const tuned: Record<string, string> = {};
const tuningCache: TuningCache = {
  load: () => Promise.resolve(tuned),
  save: (choices) => Promise.resolve(void Object.assign(tuned, choices)),
};

/** Opens the adapter; only where {@linkcode noAdapter} is false. */
export function openTestGpu(options?: WebGpuOptions): Promise<WebGpuBackend> {
  return openWebGpuBackend(testAdapter, { tuningCache, ...options });
}
