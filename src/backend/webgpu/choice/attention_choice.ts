/**
 * Which kernels compute attention and its gradient.
 *
 * On matrix units only where activations are stored in two bytes, as products;
 * see matrix_choice.ts.
 *
 * @module
 */

import type { AttentionAttrs } from "../../../graph/ops.ts";
import { canMatrixAttend } from "../attention_matrix/attention_matrix_forward.ts";
import {
  canMatrixGradient,
  gradientTiles,
} from "../attention_matrix/attention_matrix_part.ts";
import { subgroupRows } from "../attention_matrix/attention_matrix_rows.ts";
import type { AdapterInfo } from "../device/adapters.ts";
import type { MatrixUnit } from "../device/matrix_unit.ts";
import { formatUnit } from "./matrix_choice.ts";
import { STAGED_BYTES } from "../attention/attention_products.ts";
import type {
  AttentionChoice,
  MatrixAttention,
  MatrixGradientTile,
  TileAttention,
} from "../attention/attention_tile.ts";

/** What there is a choice for. */
type AttentionOp = "attention" | "attentionBackward";

/** What a call of it is, as far as that matters. */
export interface AttentionCall {
  readonly op: AttentionOp;
  readonly attrs: Pick<AttentionAttrs, "D">;
}

/** What computes it. */
export interface AttentionDevice {
  readonly vendor?: AdapterInfo["vendor"];
  /** Which takes many seconds to compile a shader of units. */
  readonly isSoftware?: boolean;
  /** That may be used, if any. */
  readonly unit?: MatrixUnit | null;
  readonly limits: Partial<GPUSupportedLimits>;
}

const AGAIN = ", again";

/**
 * `staged`; `direct, again` where the gradient computes slopes twice;
 * `matrix 64x32 bf16 16x16x16 on 32 lanes`: queries, keys and unit, or of the
 * gradient keys of a subgroup, the queries that it takes at a time, and unit.
 */
export function formatAttention(choice: AttentionChoice): string {
  if (choice.flow === "matrix") {
    const { queries, keys, unit } = choice;
    return `matrix ${queries}x${keys} ${formatUnit(unit)}`;
  }
  if (choice.flow === "matrixGradient") {
    const { rows, step, unit } = choice;
    return `matrix ${rows}x${step} ${formatUnit(unit)}`;
  }
  return choice.flow + (choice.again ? AGAIN : "");
}

/** What `text` means, if a device can do it; else null. */
export function knownAttention(
  op: AttentionOp,
  text: string,
  device: AttentionDevice,
): AttentionChoice | null {
  return attentionChoices(op, device)
    .find((choice) => formatAttention(choice) === text) ?? null;
}

/** All ways for a device, some perhaps not for heads of all sizes. */
export function attentionChoices(
  op: AttentionOp,
  device: AttentionDevice,
): AttentionChoice[] {
  return [...matrixChoices(op, device), ...tileChoices(op, device)];
}

function tileChoices(
  op: AttentionOp,
  { limits }: AttentionDevice,
): TileAttention[] {
  const flows = canStage(limits)
    ? ["staged", "tall", "direct"] as const
    : ["direct"] as const;
  const choices = flows.map((flow): TileAttention => ({ flow }));
  if (op === "attention") return choices;
  return [
    { flow: "kept" },
    ...choices,
    ...choices.map(({ flow }) => ({ flow, again: true })),
  ];
}

/**
 * Subgroups of a workgroup and keys at a time: on an NVIDIA H200 the first is
 * the faster of 256 positions, 128 queries, as the second has, of 1024.
 */
const TILES = [[4, 32], [8, 64]] as const;

/** Those on a matrix unit, the likeliest first. */
function matrixChoices(
  op: AttentionOp,
  { unit, limits }: AttentionDevice,
): (MatrixAttention | MatrixGradientTile)[] {
  // Other heads, and prompts, go through workgroup memory where this does.
  if (!unit || !canStage(limits)) return [];
  if (op === "attentionBackward") return gradientTiles(unit, limits);
  const { maxComputeInvocationsPerWorkgroup: threads = 256 } = limits;
  return TILES.filter(([subgroups]) => subgroups * unit.lanes <= threads)
    .map(([subgroups, keys]): MatrixAttention => {
      const queries = subgroups * subgroupRows(unit);
      return { flow: "matrix", unit, queries, keys };
    });
}

/** Those of them that can do a call. */
function fitting(
  { op, attrs }: AttentionCall,
  device: AttentionDevice,
): (MatrixAttention | MatrixGradientTile)[] {
  const { maxComputeWorkgroupStorageSize: bytes = 0 } = device.limits;
  return matrixChoices(op, device).filter((choice) =>
    choice.flow === "matrixGradient"
      ? canMatrixGradient(attrs, choice, bytes)
      : canMatrixAttend(attrs, choice, bytes)
  );
}

/**
 * What is taken without timing: a matrix unit, where there is one. Else, on an
 * NVIDIA H200 attention is faster through workgroup memory, and its gradient
 * where all scores are kept.
 */
export function chooseAttention(
  call: AttentionCall,
  device: AttentionDevice,
): AttentionChoice {
  const [first] = device.isSoftware ? [] : fitting(call, device);
  return first ?? chooseTile(call.op, device);
}

function chooseTile(
  op: AttentionOp,
  { vendor, limits }: AttentionDevice,
): TileAttention {
  if (vendor !== "nvidia" || !canStage(limits)) return { flow: "direct" };
  return { flow: op === "attention" ? "staged" : "kept" };
}

/** What is worth timing, the likeliest first. */
export function attentionWays(
  call: AttentionCall,
  device: AttentionDevice,
): AttentionChoice[] {
  const units = fitting(call, device);
  const likely = chooseTile(call.op, device);
  // On an NVIDIA H200 all are slower than units: one, in case a driver is slow.
  if (units.length > 0) return [...units, likely];
  const isStaged = likely.flow !== "direct";
  // Slopes are cheap to keep, or dear, in all flows alike.
  const again = isStaged ? "staged" : "direct";
  const rank = ({ flow, again }: TileAttention) =>
    again ? 2 : flow === likely.flow ? 0 : 1;
  return tileChoices(call.op, device)
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
