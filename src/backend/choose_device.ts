/**
 * Which device a request such as `gpu:1` or `RTX` means; pure.
 *
 * A request names a group of devices, and with `:N` the one at place N of it,
 * counted from 0: `gpu` are the real adapters, `cuda` those by NVIDIA,
 * `software` those that run on the CPU, and any other word those with it in
 * their name. Software is never the answer to `auto` or `gpu`: it looks like a
 * GPU and is slower than the CPU's own kernels.
 *
 * `vulkan` are the real devices that are worked with through their drivers
 * themselves, and `vulkan:` before any of these means the same among those;
 * without it they are never taken.
 *
 * @module
 */

import { EXIT, UserError } from "../base/errors.ts";
import type { AdapterInfo } from "./webgpu/adapters.ts";

/** What a machine has. */
export interface AvailableDevices {
  /** The name of its CPU. */
  readonly cpu: string;
  /** In order of preference, as `listAdapters` gives them. */
  readonly adapters: readonly AdapterInfo[];
  /** Why there is no Vulkan, where that was asked for and is not there. */
  readonly noVulkan?: string | null;
}

/** The device that is taken. */
export interface ChosenDevice {
  /** Null is the CPU. */
  readonly adapter: AdapterInfo | null;
  /** What the user should know: it is not what was asked for, say. */
  readonly warnings: readonly string[];
}

/** Lists of words as in `gpu:0 (NVIDIA A30), cpu (AMD EPYC 7763)`. */
const SEPARATOR = ", ";

/**
 * The device for `request`, or the next best with a warning: the best real
 * adapter, else the CPU.
 *
 * @throws {UserError} With exit code 2, if `strict` and it is not there.
 */
export function chooseDevice(
  request: string,
  available: AvailableDevices,
  { strict = false }: { strict?: boolean } = {},
): ChosenDevice {
  const wanted = request.trim().toLowerCase();
  const best =
    available.adapters.find((one) =>
      isReal(one) && (isVulkanRequest(wanted) || !one.vulkan)
    ) ?? null;
  if (wanted === "auto") return { adapter: best, warnings: [] };
  const found = findDevice(wanted, available);
  if (found !== undefined) {
    return { adapter: found, warnings: found ? noteSoftware(found) : [] };
  }

  const { noVulkan } = available;
  const reason = noVulkan ? `: ${noVulkan}; ` : ", ";
  const problem = `Cannot use device "${request}"${reason}this machine ` +
    `offers ${describeDevices(available)}`;
  const missesGpu = best === null && !wanted.endsWith("software");
  if (strict) {
    throw new UserError(problem, {
      hint: missesGpu
        ? "type hearth doctor to learn why there is no GPU, or leave out " +
          "--strict-device"
        : "use one of these, or leave out --strict-device",
      exitCode: EXIT.usage,
    });
  }
  const taken = best ? `${best.id} (${best.name})` : "cpu";
  const why = missesGpu ? "; hearth doctor tells why there is no GPU" : "";
  return { adapter: best, warnings: [`${problem}: using ${taken}${why}`] };
}

/** Every device with its id and name, best first. */
function describeDevices(
  { cpu, adapters }: AvailableDevices,
): string {
  return [
    ...adapters.filter(isReal).map(({ id, name }) => `${id} (${name})`),
    `cpu (${cpu})`,
    ...adapters.filter(({ isSoftware }) => isSoftware)
      .map(({ id, name }) => `${id} (${name}, runs on the CPU)`),
  ].join(SEPARATOR);
}

/** Whether a request is for a device through its driver itself. */
export function isVulkanRequest(request: string): boolean {
  return /^vulkan(:|$)/i.test(request.trim());
}

/** The device meant; null is the CPU, undefined none that is there. */
function findDevice(
  wanted: string,
  { cpu, adapters }: AvailableDevices,
): AdapterInfo | null | undefined {
  if (!isVulkanRequest(wanted)) {
    const others = adapters.filter(({ vulkan }) => !vulkan);
    return findAmong(wanted, { cpu, adapters: others });
  }
  const [, rest = "gpu"] = /^vulkan:(.+)/.exec(wanted) ?? [];
  const part = /^\d+$/.test(rest) ? `gpu:${rest}` : rest;
  return findAmong(part, {
    cpu: null,
    adapters: adapters.filter(({ vulkan }) => vulkan),
  });
}

/** What a request can mean; `cpu` is null where the CPU is not meant. */
interface Candidates {
  readonly cpu: string | null;
  readonly adapters: readonly AdapterInfo[];
}

function findAmong(
  wanted: string,
  available: Candidates,
): AdapterInfo | null | undefined {
  // Names hold colons too, so the whole request is a name before it is a place.
  const whole = members(wanted, available);
  if (whole.length > 0) return whole[0];
  const [, group, place] = /^(.+):(\d+)$/.exec(wanted) ?? [];
  return group ? members(group, available)[Number(place)] : undefined;
}

/** The devices of a group, best first; null is the CPU. */
function members(
  group: string,
  { cpu, adapters }: Candidates,
): (AdapterInfo | null)[] {
  switch (group) {
    case "":
      return [];
    case "cpu":
      return cpu === null ? [] : [null];
    case "gpu":
      return adapters.filter(isReal);
    case "cuda":
      return adapters.filter(({ vendor }) => vendor === "nvidia");
    case "software":
      return adapters.filter(({ isSoftware }) => isSoftware);
  }
  const isCalled = (name: string) => name.toLowerCase().includes(group);
  return [
    ...adapters.filter(({ name }) => isCalled(name)),
    ...cpu !== null && isCalled(cpu) ? [null] : [],
  ];
}

function isReal({ isSoftware }: AdapterInfo): boolean {
  return !isSoftware;
}

function noteSoftware({ id, name, isSoftware }: AdapterInfo): string[] {
  if (!isSoftware) return [];
  return [
    `Device ${id} (${name}) is no GPU: it computes on the CPU, slower than ` +
    "--device cpu",
  ];
}
