/**
 * The adapters that each driver shows, and which drivers are measured.
 *
 * @module
 */

import { listVulkanAdapters } from "../../src/backend/vulkan/adapters.ts";
import {
  type FoundAdapter,
  listAdapters,
} from "../../src/backend/webgpu/device/adapters.ts";
import { UserError } from "../../src/base/errors.ts";
import type { Options } from "./options.ts";
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

/**
 * Those that are asked for, else all that show what is to be measured: that
 * adapter, or a GPU.
 *
 * @param shownBy What a driver shows.
 * @throws {UserError} If there is no GPU and no other adapter is asked for.
 */
export async function driversOf(
  { drivers, adapter }: Pick<Options, "drivers" | "adapter">,
  shownBy = adaptersOf,
): Promise<Driver[]> {
  const asked = drivers ?? ["vulkan", "webgpu"] as const;
  const fit: Driver[] = [];
  for (const one of asked) {
    const shown = await shownBy(one);
    // Software is first where a driver shows nothing else.
    const isFit = adapter === undefined
      ? shown.some(({ info }) => !info.isSoftware)
      : shown.length > 0;
    if (isFit) fit.push(one);
  }
  if (adapter !== undefined || fit.length > 0) {
    return drivers ? [...drivers] : fit;
  }
  throw new UserError("Cannot measure a GPU: this machine shows none", {
    hint: "hearth doctor says why; --adapter software --small measures an " +
      "adapter that computes on the CPU",
  });
}
