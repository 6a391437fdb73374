/**
 * The ways to the card that a request means, best first.
 *
 * Which card that is, choose_device.ts decides; here drivers are asked for what
 * there is, and a run that goes on is kept in its way.
 *
 * @module
 */

import { EXIT, UserError } from "../../base/errors.ts";
import { readCpuInfo } from "../cpu/cores.ts";
import type { FoundAdapter } from "../webgpu/device/adapters.ts";
import {
  apiOf,
  chooseDevice,
  type ChosenDevice,
  isAuto,
  isCudaNumber,
  isNumbered,
} from "./choose_device.ts";
import { CUDA_VARIABLE, cudaNote } from "./cuda_variable.ts";
import {
  type DeviceSources,
  findCards,
  type FoundCards,
} from "./device_sources.ts";
import { makerOfUnseen } from "./diagnose_gpu.ts";
import {
  API_NAMES,
  type GpuCard,
  lacksVulkan,
  NO_NEW_VULKAN,
} from "./gpu_cards.ts";
import type { PreviousDevice } from "./previous_card.ts";

/** What decides about the card and the way. */
export interface WayChoice {
  /** See choose_device.ts. */
  readonly device: string;
  readonly strict?: boolean;
  /** What computed before, for a run that goes on. */
  readonly previous?: PreviousDevice;
}

/** How to come to a device. */
export interface FoundWays {
  /** Best first; none for the CPU. */
  readonly ways: readonly FoundAdapter[];
  /** It is not what was asked for, or slower than it could be. */
  readonly warnings: string[];
  /** How it was decided. */
  readonly notes: string[];
}

/**
 * The ways to the device that a choice means, or to the next best.
 *
 * @throws {UserError} With exit code 2, if nothing is asked for, or if `strict`
 * and it is not there.
 */
export async function findWays(
  choice: WayChoice,
  sources: DeviceSources,
): Promise<FoundWays> {
  const { device, previous } = choice;
  if (device.trim() === "") {
    throw new UserError("Cannot use an empty text as device", {
      hint: "expected auto, cpu, gpu:N, cuda:N, vulkan:N, webgpu:N or part " +
        "of a name",
      exitCode: EXIT.usage,
    });
  }
  const isCpu = /^\s*cpu(:0)?\s*$/i.test(device) ||
    isAuto(device) && previous?.backend === "cpu";
  // Who wants the CPU has no use for drivers being loaded.
  const found: FoundCards = isCpu
    ? { cards: [], noVulkan: null }
    : await findCards(sources, {
      api: apiOf(device) ??
        (previous?.backend === "vulkan" ? "vulkan" : null),
    });
  const cpu = readCpuInfo().name;
  const chosen = chooseDevice(
    isCpu ? "cpu" : device,
    { cpu, ...found },
    choice,
  );
  const { card, ways } = chosen;
  const warnings = [...chosen.warnings];
  if (!card) {
    const notes = isCpu || warnings.length > 0
      ? []
      : isAuto(device)
      ? missedNotes(sources)
      : [`Device "${device}" is the CPU (${cpu}): no GPU is called so`];
    return { ways, warnings, notes };
  }
  const notes = cudaNotes(card, { choice, found, sources });
  if (apiOf(device)) return { ways, warnings, notes };
  const usual = usualWays(chosen, choice, card);
  if (!usual.isKept && lacksVulkan(card, sources.os)) {
    warnings.push(
      `Cannot use ${card.id} (${card.name}) through Vulkan: ` +
        `${found.noVulkan ?? NO_NEW_VULKAN}: using WebGPU`,
    );
  }
  return { ways: usual.ways, warnings, notes: [...notes, ...usual.notes] };
}

/** What CUDA's variable would have said of a card that is taken. */
function cudaNotes(
  card: GpuCard,
  { choice: { device }, found: { cards }, sources }: {
    choice: WayChoice;
    found: FoundCards;
    sources: DeviceSources;
  },
): string[] {
  // Who writes gpu:1 means that one; cuda:1 has another meaning in CUDA.
  if (isNumbered(device) && !isCudaNumber(device)) return [];
  const note = cudaNote(sources.env(CUDA_VARIABLE), { card, cards });
  return note === null ? [] : [note];
}

/** That there is a card that `auto` cannot take. */
function missedNotes(sources: DeviceSources): string[] {
  const cards = sources.listCards();
  const maker = makerOfUnseen({ cards, adapters: [] });
  return maker === null ? [] : [
    `Device auto takes the CPU: there is a card by ${maker}, but no driver ` +
    "shows it; hearth doctor says why",
  ];
}

/** The ways to a card; of a run that goes on, first the one that it went. */
function usualWays(
  { ways }: ChosenDevice,
  { previous }: WayChoice,
  card: GpuCard,
): Pick<FoundWays, "ways" | "notes"> & { isKept: boolean } {
  const backend = previous?.backend;
  const kept = backend === "vulkan" || backend === "webgpu"
    ? card[backend]
    : null;
  if (!kept) return { ways, notes: [], isKept: false };
  const usual = card.usual.at(0);
  return {
    ways: [kept, ...ways.filter((one) => one !== kept)],
    isKept: true,
    notes: usual && usual !== kept
      ? [
        `Device ${card.id} (${card.name}) goes on through ${apiName(kept)} ` +
        `as before, for the same last bits; --device ${usual.info.id} ` +
        "changes over",
      ]
      : [],
  };
}

/** What a way leads through, for people. */
export function apiName({ info }: FoundAdapter): string {
  return API_NAMES[info.vulkan ? "vulkan" : "webgpu"];
}
