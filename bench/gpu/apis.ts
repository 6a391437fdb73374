/**
 * The adapters that each API shows, and which APIs are measured.
 *
 * @module
 */

import { API_NAMES, type GpuApi } from "../../src/backend/devices/gpu_cards.ts";
import { listVulkanAdapters } from "../../src/backend/vulkan/adapters.ts";
import {
  type FoundAdapter,
  listAdapters,
} from "../../src/backend/webgpu/device/adapters.ts";
import { EXIT, UserError } from "../../src/base/errors.ts";
import type { Options } from "./options.ts";

/** All of them; where there are none, an empty list. */
export async function adaptersOf(api: GpuApi): Promise<FoundAdapter[]> {
  if (api === "webgpu") return await listAdapters();
  try {
    return listVulkanAdapters();
  } catch {
    return []; // there is no Vulkan here
  }
}

/** What is asked for: an adapter's id, absent for the first one. */
type Wanted = Pick<Options, "adapter">;

/**
 * The adapter of an API that is asked for; undefined if there is none.
 *
 * @param shown All that the API shows.
 */
export function findAdapter(
  shown: readonly FoundAdapter[],
  { api, adapter }: Wanted & { api: GpuApi },
): FoundAdapter | undefined {
  // `gpu:1` is `vulkan:1` or `webgpu:1`; `software` is WebGPU's.
  const place = adapter?.replace(/^(gpu|vulkan|webgpu):/, "");
  const id = api === "vulkan" || /^\d/.test(place ?? "")
    ? place && `${api}:${place}`
    : place;
  return shown.find(({ info }) => id === undefined || info.id === id);
}

/**
 * Those that are asked for, else all that show what is to be measured: that
 * adapter, or a GPU.
 *
 * @param shownBy What an API shows.
 * @throws {UserError} If one that is asked for shows no such adapter, or none
 * does; without an adapter that is asked for, also if there is no GPU.
 */
export async function apisOf(
  { apis, adapter }: Pick<Options, "apis" | "adapter">,
  shownBy = adaptersOf,
): Promise<GpuApi[]> {
  const asked = apis ?? ["vulkan", "webgpu"] as const;
  const shown = new Map<GpuApi, FoundAdapter[]>();
  for (const one of asked) shown.set(one, await shownBy(one));
  const hasGpu = (api: GpuApi) =>
    shown.get(api)!.some(({ info }) => !info.isSoftware);
  if (adapter === undefined && !asked.some(hasGpu)) {
    throw new UserError("Cannot measure a GPU: this machine shows none", {
      hint: "hearth doctor says why; --adapter software --small measures an " +
        "adapter that computes on the CPU",
    });
  }
  const lacking = asked.filter((api) =>
    !findAdapter(shown.get(api)!, { api, adapter })
  );
  if (lacking.length > (apis ? 0 : asked.length - 1)) {
    throw noAdapter(lacking, { adapter, shown });
  }
  if (apis) return [...apis];
  // Software is first where an API shows nothing else.
  return asked.filter((api) =>
    adapter === undefined ? hasGpu(api) : !lacking.includes(api)
  );
}

function noAdapter(
  lacking: readonly GpuApi[],
  { adapter, shown }: Wanted & {
    shown: ReadonlyMap<GpuApi, readonly FoundAdapter[]>;
  },
): UserError {
  const through = lacking.map((one) => API_NAMES[one]).join(" or ");
  const there = [...shown].map(([api, all]) => {
    const list = all.map(({ info }) => `${info.id} (${info.name})`);
    return `${list.join(", ") || "nothing"} through ${API_NAMES[api]}`;
  });
  const which = adapter === undefined ? "no adapter" : `no "${adapter}"`;
  return new UserError(
    `Cannot measure: there is ${which} through ${through}`,
    { hint: `there is ${there.join(", and ")}`, exitCode: EXIT.usage },
  );
}
