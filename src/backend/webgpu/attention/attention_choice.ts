/**
 * Which kernels compute attention and its gradient.
 *
 * @module
 */

import type { AdapterInfo } from "../adapters.ts";
import { STAGED_BYTES } from "./attention_products.ts";
import type { AttentionChoice } from "./attention_tile.ts";

/** What there is a choice for. */
type AttentionOp = "attention" | "attentionBackward";

const AGAIN = ", again";

/** `staged`; `direct, again` where the gradient computes slopes twice. */
export function formatAttention({ flow, again }: AttentionChoice): string {
  return flow + (again ? AGAIN : "");
}

/** What `text` means for an op, if a device can do it; else null. */
export function knownAttention(
  op: AttentionOp,
  text: string,
  limits: Partial<GPUSupportedLimits>,
): AttentionChoice | null {
  return attentionChoices(op, limits)
    .find((choice) => formatAttention(choice) === text) ?? null;
}

/** All ways for a device. */
export function attentionChoices(
  op: AttentionOp,
  limits: Partial<GPUSupportedLimits>,
): AttentionChoice[] {
  const flows = canStage(limits)
    ? ["staged", "tall", "direct"] as const
    : ["direct"] as const;
  const choices = flows.map((flow): AttentionChoice => ({ flow }));
  if (op === "attention") return choices;
  return [
    { flow: "kept" },
    ...choices,
    ...choices.map(({ flow }) => ({ flow, again: true })),
  ];
}

/**
 * What is taken without timing. On an NVIDIA H200 attention is faster through
 * workgroup memory, and its gradient where all scores are kept.
 */
export function chooseAttention(
  op: AttentionOp,
  { vendor }: Pick<AdapterInfo, "vendor">,
  limits: Partial<GPUSupportedLimits>,
): AttentionChoice {
  if (vendor !== "nvidia" || !canStage(limits)) return { flow: "direct" };
  return { flow: op === "attention" ? "staged" : "kept" };
}

/** What is worth timing, the likeliest first. */
export function attentionWays(
  op: AttentionOp,
  adapter: Pick<AdapterInfo, "vendor">,
  limits: Partial<GPUSupportedLimits>,
): AttentionChoice[] {
  const likely = chooseAttention(op, adapter, limits);
  const isStaged = likely.flow !== "direct";
  // Slopes are cheap to keep, or dear, in all flows alike.
  const again = isStaged ? "staged" : "direct";
  const rank = ({ flow, again }: AttentionChoice) =>
    again ? 2 : flow === likely.flow ? 0 : 1;
  return attentionChoices(op, limits)
    // Where it is slower to do without workgroup memory, it is by far.
    .filter(({ flow }) => flow !== "direct" || !isStaged)
    .filter((choice) => !choice.again || choice.flow === again)
    .toSorted((a, b) => rank(a) - rank(b));
}

function canStage(
  {
    maxComputeWorkgroupStorageSize: bytes = 0,
    maxComputeInvocationsPerWorkgroup: threads = 256,
  }: Partial<GPUSupportedLimits>,
): boolean {
  return bytes >= STAGED_BYTES && threads >= 256;
}
