/**
 * Which device a request such as `gpu:1` or `RTX` means; pure.
 *
 * A request names a group of cards, and with `:N` the one at place N of it,
 * counted from 0: `gpu` are the real ones, `cuda` those by NVIDIA, `software`
 * those that run on the CPU, and any other word those with it in their name.
 * Software is never the answer to `auto` or `gpu`: it looks like a GPU and is
 * slower than the CPU's own kernels.
 *
 * Such a request takes a card in its usual way. `vulkan:` and `webgpu:` before
 * it name the way; alone they mean the first card that it leads to, and with a
 * number card N: `vulkan:1` and `webgpu:1` are `gpu:1`.
 *
 * @module
 */

import { EXIT, UserError } from "../../base/errors.ts";
import type { FoundAdapter } from "../webgpu/device/adapters.ts";
import { API_NAMES, type GpuApi, type GpuCard } from "./gpu_cards.ts";
import { previousCard, type PreviousDevice } from "./previous_card.ts";

/** What a machine has. */
export interface AvailableDevices {
  /** The name of its CPU. */
  readonly cpu: string;
  /** In order of preference, as `joinCards` gives them. */
  readonly cards: readonly GpuCard[];
  /** Why there is no Vulkan, where that was looked for and is not there. */
  readonly noVulkan?: string | null;
}

/** What else decides about the device. */
export interface ChoiceOptions {
  /** Whether to fail in place of taking the next best. */
  readonly strict?: boolean;
  /** A group that holds its card means that one, for a run that goes on. */
  readonly previous?: PreviousDevice;
}

/** The device that is taken. */
export interface ChosenDevice {
  /** Null is the CPU. */
  readonly card: GpuCard | null;
  /** In which ways, best first; empty for the CPU. */
  readonly ways: readonly FoundAdapter[];
  /** What the user should know: it is not what was asked for, say. */
  readonly warnings: readonly string[];
}

/** What a request can mean; `cpu` is null where the CPU is not meant. */
interface Candidates {
  readonly cpu: string | null;
  readonly cards: readonly GpuCard[];
  /** The one that is asked for; null is the usual one. */
  readonly api: GpuApi | null;
}

/** Lists of words as in `gpu:0 (NVIDIA A30), cpu (AMD EPYC 7763)`. */
const SEPARATOR = ", ";

/**
 * The device for `request`, or the next best with a warning: the best real
 * card, else the CPU.
 *
 * @throws {UserError} With exit code 2, if `strict` and it is not there.
 */
export function chooseDevice(
  request: string,
  { cpu, cards, noVulkan }: AvailableDevices,
  { strict = false, previous }: ChoiceOptions = {},
): ChosenDevice {
  const { api, rest } = splitRequest(request);
  const candidates = { cpu: api ? null : cpu, cards, api };
  const before = previous && !isNumbered(rest)
    ? previousCard(cards, previous)
    : null;
  const preferred = before
    ? [before, ...cards.filter((card) => card !== before)]
    : cards;
  const best = preferred.find((card) => isReal(card) && has(card, api)) ??
    preferred.find((card) => isReal(card) && has(card, null)) ?? null;
  const take = (card: GpuCard | null, warnings: string[] = []) => {
    const named = card && api ? card[api] : null;
    // The same card in another way is nearer to what was asked than the CPU.
    const others = card?.usual.filter((one) => one !== named) ?? [];
    const isSpare = named === null || !strict && api === "vulkan";
    return {
      card,
      ways: [...named ? [named] : [], ...isSpare ? others : []],
      warnings,
    };
  };
  if (isAuto(request)) return take(best);
  const found = findDevice(rest, { ...candidates, cards: preferred });
  if (found === null) return take(null);
  if (found && has(found, api)) return take(found, noteSoftware(found));

  const why = api === "vulkan" && noVulkan
    ? noVulkan
    : found && whyNot(found, api);
  const problem = `Cannot use device "${request}"${why ? `: ${why};` : ","} ` +
    `this machine offers ${describeDevices(candidates, cpu)}`;
  const missesGpu = best === null && !rest.endsWith("software");
  if (strict) {
    throw new UserError(problem, {
      hint: missesGpu
        ? "type hearth doctor to learn why there is no GPU, or leave out " +
          "--strict-device"
        : "use one of these, or leave out --strict-device",
      exitCode: EXIT.usage,
    });
  }
  const taken = best ? `${idOf(best, api)} (${best.name})` : "cpu";
  const doctor = missesGpu ? "; hearth doctor tells why there is no GPU" : "";
  return take(best, [`${problem}: using ${taken}${doctor}`]);
}

/** The API that a request names, if it does. */
export function apiOf(request: string): GpuApi | null {
  return splitRequest(request).api;
}

/** Whether the best device is asked for, whatever that is. */
export function isAuto(request: string): boolean {
  return request.trim().toLowerCase() === "auto";
}

/** Whether a request names one card of several by its place. */
export function isNumbered(request: string): boolean {
  return /:\d+$/.test(request.trim());
}

/** Whether a card is asked for as PyTorch does it, `cuda:1`. */
export function isCudaNumber(request: string): boolean {
  return isNumbered(request) && /(^|:)cuda:/i.test(request.trim());
}

function splitRequest(
  request: string,
): { api: GpuApi | null; rest: string } {
  const wanted = request.trim().toLowerCase();
  const [, api, rest] = /^(vulkan|webgpu)(?::(.*))?$/.exec(wanted) ?? [];
  if (!api) return { api: null, rest: wanted };
  return {
    api: api as GpuApi,
    rest: /^\d+$/.test(rest) ? `gpu:${rest}` : rest || "gpu",
  };
}

/** Whether a card can be taken through an API; null is the usual one. */
function has(card: GpuCard, api: GpuApi | null): boolean {
  return api ? card[api] !== null : card.usual.length > 0;
}

/** How to ask for a card in a way, or at all where that does not lead to it. */
function idOf(card: GpuCard, api: GpuApi | null): string {
  const named = api && card[api];
  const only = card.usual.length === 0 ? card.vulkan : null;
  return (named ?? only)?.info.id ?? card.id;
}

function whyNot(
  { id, name, vulkan }: GpuCard,
  api: GpuApi | null,
): string {
  return api
    ? `${API_NAMES[api]} does not show ${id} (${name})`
    : `${id} (${name}) is shown by Vulkan alone, as ${vulkan!.info.id}`;
}

/** Every device with its id and name, best first. */
function describeDevices(
  { cards, api }: Candidates,
  cpu: string,
): string {
  const named = (card: GpuCard) => `${idOf(card, api)} (${card.name}`;
  return [
    ...cards.filter(isReal).map((card) => `${named(card)})`),
    `cpu (${cpu})`,
    ...cards.filter(({ isSoftware }) => isSoftware)
      .map((card) => `${named(card)}, runs on the CPU)`),
  ].join(SEPARATOR);
}

/** The device meant; null is the CPU, undefined none that is there. */
function findDevice(
  wanted: string,
  candidates: Candidates,
): GpuCard | null | undefined {
  // Names hold colons too, so the whole request is a name before it is a place.
  const whole = members(wanted, candidates);
  if (whole.length > 0) {
    const isThere = (card: GpuCard | null) =>
      card === null || has(card, candidates.api);
    return whole.find(isThere) ?? whole[0];
  }
  const [, group, place] = /^(.+):(\d+)$/.exec(wanted) ?? [];
  return group ? members(group, candidates)[Number(place)] : undefined;
}

/** The devices of a group, best first; null is the CPU. */
function members(
  group: string,
  { cpu, cards }: Candidates,
): (GpuCard | null)[] {
  switch (group) {
    case "":
      return [];
    case "cpu":
      return cpu === null ? [] : [null];
    case "gpu":
      return cards.filter(isReal);
    case "cuda":
      return cards.filter((card) => isReal(card) && card.vendor === "nvidia");
    case "software":
      return cards.filter(({ isSoftware }) => isSoftware);
  }
  const isCalled = (name = "") => name.toLowerCase().includes(group);
  return [
    ...cards.filter(({ name, vulkan, webgpu }) =>
      [name, vulkan?.info.name, webgpu?.info.name].some(isCalled)
    ),
    ...cpu !== null && isCalled(cpu) ? [null] : [],
  ];
}

function isReal({ isSoftware }: GpuCard): boolean {
  return !isSoftware;
}

function noteSoftware({ id, name, isSoftware }: GpuCard): string[] {
  if (!isSoftware) return [];
  return [
    `Device ${id} (${name}) is no GPU: it computes on the CPU, slower than ` +
    "--device cpu",
  ];
}
