/**
 * The card that a run computed on before; pure.
 *
 * Its number may be another one's by now: cards were added or taken out, or
 * another way has become the usual one. So it is known by its place on the PCI
 * bus, and else by its model, as WebGPU tells no more.
 *
 * @module
 */

import type { DeviceInfo } from "../backend.ts";
import { type GpuCard, isAlike } from "./gpu_cards.ts";

/** What computed before; a file of a run may tell no more than how. */
export type PreviousDevice =
  & Pick<DeviceInfo, "backend">
  & Partial<Pick<DeviceInfo, "name" | "adapter">>;

/** Which of the cards it was; null if none of them, or the CPU. */
export function previousCard(
  cards: readonly GpuCard[],
  { backend, name, adapter }: PreviousDevice,
): GpuCard | null {
  if (backend !== "vulkan" && backend !== "webgpu" || !name || !adapter) {
    return null;
  }
  // Of several equal cards WebGPU shows one, so that one it was.
  const alike = cards.filter((card) => {
    const way = card[backend];
    return way !== null && isAlike({ name, ...adapter }, way.info);
  });
  const { pciAddress } = adapter;
  const isThere = ({ vulkan }: GpuCard) =>
    pciAddress !== undefined && vulkan?.info.pciAddress === pciAddress;
  return alike.find(isThere) ?? alike.at(0) ?? null;
}
