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
import {
  type FoundAdapter,
  listAdapters,
} from "../../../src/backend/webgpu/device/adapters.ts";
import type { TuningCache } from "../../../src/backend/webgpu/tuning/tuning_cache.ts";
import {
  openWebGpuBackend,
  type WebGpuBackend,
  type WebGpuOptions,
} from "../../../src/backend/webgpu/webgpu_backend.ts";
import { errorMessage } from "../../../src/base/errors.ts";
import { saySkipped } from "../../_skipped.ts";

const api = Deno.env.get("HEARTH_TEST_DRIVER") === "vulkan"
  ? "Vulkan"
  : "WebGPU";
let why = "";

/** The first adapter; only where {@linkcode noAdapter} is false. */
export const [testAdapter] = await adaptersOf(api);

if (!testAdapter) {
  const missing = `no ${api} adapter${why}`;
  const help = "on Debian, install mesa-vulkan-drivers for one in software";
  if (Deno.env.get("REQUIRE_GPU") === "1") {
    throw new Error(`${missing}, and REQUIRE_GPU=1 wants one (${help})`);
  }
  saySkipped(`${missing}: its tests are skipped (${help})`);
}

async function adaptersOf(api: string): Promise<FoundAdapter[]> {
  if (api === "WebGPU") return await listAdapters();
  try {
    return listVulkanAdapters();
  } catch (error) {
    why = ` (${errorMessage(error)})`;
    return [];
  }
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
