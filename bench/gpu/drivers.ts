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
import { EXIT, UserError } from "../../src/base/errors.ts";
import type { Options } from "./options.ts";
import { type Driver, DRIVER_NAMES } from "./parts.ts";

/** All of them; where there are none, an empty list. */
export async function adaptersOf(driver: Driver): Promise<FoundAdapter[]> {
  if (driver === "webgpu") return await listAdapters();
  try {
    return listVulkanAdapters();
  } catch {
    return []; // there is no Vulkan here
  }
}

/** What is asked for: an adapter's id, absent for the first one. */
type Wanted = Pick<Options, "adapter">;

/**
 * The adapter of a driver that is asked for; undefined if there is none.
 *
 * @param shown All that the driver shows.
 */
export function findAdapter(
  shown: readonly FoundAdapter[],
  { driver, adapter }: Wanted & { driver: Driver },
): FoundAdapter | undefined {
  // `gpu:1` is `vulkan:1` or `webgpu:1`; `software` is WebGPU's.
  const place = adapter?.replace(/^(gpu|vulkan|webgpu):/, "");
  const id = driver === "vulkan" || /^\d/.test(place ?? "")
    ? place && `${driver}:${place}`
    : place;
  return shown.find(({ info }) => id === undefined || info.id === id);
}

/**
 * Those that are asked for, else all that show what is to be measured: that
 * adapter, or a GPU.
 *
 * @param shownBy What a driver shows.
 * @throws {UserError} If one that is asked for shows no such adapter, or none
 * does; without an adapter that is asked for, also if there is no GPU.
 */
export async function driversOf(
  { drivers, adapter }: Pick<Options, "drivers" | "adapter">,
  shownBy = adaptersOf,
): Promise<Driver[]> {
  const asked = drivers ?? ["vulkan", "webgpu"] as const;
  const shown = new Map<Driver, FoundAdapter[]>();
  for (const one of asked) shown.set(one, await shownBy(one));
  const hasGpu = (driver: Driver) =>
    shown.get(driver)!.some(({ info }) => !info.isSoftware);
  if (adapter === undefined && !asked.some(hasGpu)) {
    throw new UserError("Cannot measure a GPU: this machine shows none", {
      hint: "hearth doctor says why; --adapter software --small measures an " +
        "adapter that computes on the CPU",
    });
  }
  const lacking = asked.filter((driver) =>
    !findAdapter(shown.get(driver)!, { driver, adapter })
  );
  if (lacking.length > (drivers ? 0 : asked.length - 1)) {
    throw noAdapter(lacking, { adapter, shown });
  }
  if (drivers) return [...drivers];
  // Software is first where a driver shows nothing else.
  return asked.filter((driver) =>
    adapter === undefined ? hasGpu(driver) : !lacking.includes(driver)
  );
}

function noAdapter(
  lacking: readonly Driver[],
  { adapter, shown }: Wanted & {
    shown: ReadonlyMap<Driver, readonly FoundAdapter[]>;
  },
): UserError {
  const through = lacking.map((one) => DRIVER_NAMES[one]).join(" or ");
  const there = [...shown].map(([driver, all]) => {
    const list = all.map(({ info }) => `${info.id} (${info.name})`);
    return `${list.join(", ") || "nothing"} through ${DRIVER_NAMES[driver]}`;
  });
  const which = adapter === undefined ? "no adapter" : `no "${adapter}"`;
  return new UserError(
    `Cannot measure: there is ${which} through ${through}`,
    { hint: `there is ${there.join(", and ")}`, exitCode: EXIT.usage },
  );
}
