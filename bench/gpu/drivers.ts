/**
 * The adapters that each driver shows.
 *
 * @module
 */

import { listVulkanAdapters } from "../../src/backend/vulkan/adapters.ts";
import {
  type FoundAdapter,
  listAdapters,
} from "../../src/backend/webgpu/device/adapters.ts";
import type { Driver } from "./parts.ts";

/** All of them; where there are none, an empty list. */
export async function adaptersOf(driver: Driver): Promise<FoundAdapter[]> {
  if (driver === "webgpu") return await listAdapters();
  try {
    return listVulkanAdapters();
  } catch {
    return []; // there is no Vulkan here
  }
}
