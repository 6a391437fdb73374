/**
 * A device of a Vulkan driver for tests: any there is, software too.
 *
 * Without one, tests that need it are skipped, and say so; with the variable
 * REQUIRE_GPU=1 that is a failure.
 *
 * @module
 */

import type { VulkanAdapter } from "../../../src/backend/vulkan/adapter.ts";
import { listVulkanAdapters } from "../../../src/backend/vulkan/adapters.ts";
import type { VulkanDevice } from "../../../src/backend/vulkan/device.ts";
import type { FoundAdapter } from "../../../src/backend/webgpu/device/adapters.ts";
import { errorMessage } from "../../../src/base/errors.ts";
import { saySkipped } from "../../_skipped.ts";

/** The first device; only where {@linkcode noVulkan} is false. */
export const testVulkan = find()!;

/** Whether tests that need a device are skipped. */
export const noVulkan = !testVulkan;

function find(): FoundAdapter | undefined {
  let problem = "no driver of Vulkan 1.3";
  try {
    const [first] = listVulkanAdapters();
    if (first) return first;
  } catch (error) {
    problem = errorMessage(error);
  }
  const missing = `no Vulkan device (${problem})`;
  const help = "on Debian, install mesa-vulkan-drivers for one in software";
  if (Deno.env.get("REQUIRE_GPU") === "1" && Deno.build.os === "linux") {
    throw new Error(`${missing}, and REQUIRE_GPU=1 wants one (${help})`);
  }
  saySkipped(`${missing}: its tests are skipped (${help})`);
}

/** Opens it, and collects what no error scope takes. */
export async function openVulkanDevice(): Promise<
  { device: VulkanDevice; errors: string[] } & Disposable
> {
  const adapter = await testVulkan.request() as unknown as VulkanAdapter;
  const device = await adapter.requestDevice();
  const errors: string[] = [];
  device.addEventListener("uncapturederror", (event) => {
    errors.push((event as unknown as { error: Error }).error.message);
  });
  return { device, errors, [Symbol.dispose]: () => device.destroy() };
}
