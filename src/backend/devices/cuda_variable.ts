/**
 * What `CUDA_VISIBLE_DEVICES` would have meant; pure. Drivers of graphics know
 * nothing of it, but who has set it expects that it is heeded.
 *
 * @module
 */

import type { GpuCard } from "./gpu_cards.ts";

/** The variable by which programs of CUDA are given cards. */
export const CUDA_VARIABLE = "CUDA_VISIBLE_DEVICES";

/**
 * A line that says that the variable leaves out the card that is taken and
 * what to ask for instead; null if it does not.
 *
 * @param value Of the variable; undefined if it is not set.
 */
export function cudaNote(
  value: string | undefined,
  { card, cards }: { card: GpuCard; cards: readonly GpuCard[] },
): string | null {
  const nvidia = cards.filter((one) =>
    one.vendor === "nvidia" && !one.isSoftware
  );
  if (value === undefined || !nvidia.includes(card)) return null;
  // CUDA stops at the first that is none, as -1 is.
  const words = value.split(",").map((word) => word.trim());
  const end = words.findIndex((word) => word === "" || word === "-1");
  const listed = words.slice(0, end < 0 ? words.length : end);
  const means = (word: string, one: GpuCard) =>
    /^\d+$/.test(word)
      ? Number(word) === nvidia.indexOf(one)
      : isUuid(word, one.vulkan?.info.uuid);
  if (listed.some((word) => means(word, card))) return null;
  const other = nvidia.find((one) => listed.some((word) => means(word, one)));
  // Of different cards CUDA counts the fastest first, which are not known here.
  const areEqual = nvidia.every(({ name }) => name === card.name);
  const instead = listed.length === 0
    ? "--device cpu leaves GPUs alone"
    : other && areEqual
    ? `--device cuda:${nvidia.indexOf(other)} takes the one it names`
    : "hearth devices shows what there is";
  return `${CUDA_VARIABLE}=${value} has no effect here: the GPU is ` +
    `${card.id} (${card.name}); ${instead}`;
}

/**
 * Whether a word such as `GPU-8932f937`, which may be cut, is that UUID. It may
 * be where that is not known, as WebGPU does not tell it.
 */
function isUuid(word: string, uuid?: string): boolean {
  const digits = /^GPU-([0-9a-f-]+)$/i.exec(word)?.[1].replaceAll("-", "");
  return digits !== undefined &&
    (uuid?.startsWith(digits.toLowerCase()) ?? true);
}
