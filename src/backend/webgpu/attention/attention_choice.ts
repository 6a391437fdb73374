/**
 * Which kernels compute attention and its gradient.
 *
 * @module
 */

import type { AdapterInfo } from "../adapters.ts";
import { STAGED_BYTES } from "./attention_products.ts";
import type { AttentionChoice } from "./attention_tile.ts";

const AGAIN = ", again";

/** `staged`; `direct, again` where the gradient computes slopes twice. */
export function formatAttention({ flow, again }: AttentionChoice): string {
  return flow + (again ? AGAIN : "");
}

/** What `text` means, if a device can do it; null for anything else. */
export function knownAttention(
  text: string,
  limits: Partial<GPUSupportedLimits>,
): AttentionChoice | null {
  return attentionChoices("attentionBackward", limits)
    .find((choice) => formatAttention(choice) === text) ?? null;
}

/** All ways for a device, the simplest of each flow first. */
export function attentionChoices(
  op: "attention" | "attentionBackward",
  limits: Partial<GPUSupportedLimits>,
): AttentionChoice[] {
  const flows = canStage(limits)
    ? ["staged", "tall", "direct"] as const
    : ["direct"] as const;
  const choices = flows.map((flow): AttentionChoice => ({ flow }));
  if (op === "attention") return choices;
  return [...choices, ...choices.map(({ flow }) => ({ flow, again: true }))];
}

/**
 * What is taken without timing: through workgroup memory where that was
 * measured to be faster (NVIDIA H200).
 */
export function chooseAttention(
  { vendor }: Pick<AdapterInfo, "vendor">,
  limits: Partial<GPUSupportedLimits>,
): AttentionChoice {
  const isStaged = vendor === "nvidia" && canStage(limits);
  return { flow: isStaged ? "staged" : "direct" };
}

function canStage(
  {
    maxComputeWorkgroupStorageSize: bytes = 0,
    maxComputeInvocationsPerWorkgroup: threads = 256,
  }: Partial<GPUSupportedLimits>,
): boolean {
  return bytes >= STAGED_BYTES && threads >= 256;
}
