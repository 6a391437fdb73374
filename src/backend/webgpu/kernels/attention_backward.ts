/**
 * The gradient of causal attention in three dispatches, without atomics:
 * dot products of each row with its gradient; gradients of keys and values,
 * a workgroup per tile of keys; gradients of queries, one per tile of queries.
 *
 * With p the probabilities, f the dropout factors and y the output:
 * dv_j = sum_i p_ij f_ij dy_i;  ds_ij = p_ij (f_ij dy_i.v_j - dy_i.y_i);
 * dq_i = sum_j ds_ij k_j / sqrt(D);  dk_j = sum_i ds_ij q_i / sqrt(D).
 * The second dispatch keeps ds for the third where that is not too large, and
 * faster; else the third computes it again, by two more products and all exps.
 * On matrix units it is always kept, as they take it, in two bytes.
 * Oracle: ../../reference/attention.ts.
 *
 * @module
 */

import { pairs } from "../attention/attention_gradients.ts";
import { keptProducts } from "../attention/attention_kept_products.ts";
import { keyGradients } from "../attention/attention_key_gradients.ts";
import {
  queryGradients,
  queryProducts,
} from "../attention/attention_query_gradients.ts";
import { rowDots } from "../attention/attention_row_dots.ts";
import {
  keptLength,
  type KeptPart,
  keptSlopes,
} from "../attention/attention_slopes.ts";
import {
  type AttentionShape,
  attentionShape,
  withoutUnit,
} from "../attention/attention_tile.ts";
import { matrixKeyGradients } from "../attention_matrix/attention_matrix_gradients.ts";
import {
  canMatrixGradient,
  type MatrixPart,
  slopesLength,
} from "../attention_matrix/attention_matrix_part.ts";
import { matrixQueryGradients } from "../attention_matrix/attention_matrix_queries.ts";
import type { MatrixUnit } from "../device/matrix_unit.ts";
import type { GpuTensor } from "../dispatch.ts";
import type { KernelContext, Kernels } from "../kernel.ts";
import { siteTable } from "../shader/philox.ts";
import { range } from "../shader/wgsl.ts";

/** Most that is kept of ds: GPT-2 small with 8 sequences of 1024 needs 214 MB. */
export const MOST_KEPT_BYTES = 2 ** 28;

/**
 * So many times as much may be kept for one head of keys, where that is the
 * least: four heads of queries that share one take 1.1 GB with 16,384 positions.
 */
export const TIMES_FOR_ONE_HEAD = 5;

/** Kernel of attention's gradient. */
export const attentionBackwardKernels: Kernels<"attentionBackward"> = {
  attentionBackward({ in: inputs, out: { dQkv }, attrs }, context) {
    const { dOut, qkv, out, lse, rng } = inputs;
    const choice = context.attention("attentionBackward", attrs);
    const { flow, again } = withoutUnit(choice, "kept");
    const shape = attentionShape(attrs, flow);
    const { B, T, H, tile } = shape;
    const dots = context.scratch(B * H * T);
    const keptLength = B * H * pairs(shape) * tile * tile;
    const slopes = !again && 4 * keptLength <= context.mostKeptBytes
      ? context.scratch(keptLength)
      : undefined;
    const site = rng && siteTable(attrs, context);
    const first = rowDots({ dOut, out, rowDots: dots }, shape);
    if (
      choice.flow === "matrixGradient" &&
      canMatrixGradient(attrs, choice, context.workgroupBytes)
    ) {
      const { unit } = choice;
      const parts = matrixParts(shape, { unit, context });
      if (parts) {
        // bf16 reaches as far as f32.
        const scale = unit.scalar === "f16" ? context.factorScale(dOut) : 1;
        const made = { shape, tile: choice, scale };
        const read = { dOut, qkv, lse, rng, site, rowDots: dots };
        return [
          first,
          ...parts.flatMap((part) => [
            matrixKeyGradients({ ...read, dQkv, part }, made, context),
            matrixQueryGradients({ qkv, dQkv, part }, made),
          ]),
        ];
      }
    }
    if (flow === "kept") {
      const parts = keptParts(shape, context);
      if (parts) {
        const read = { dOut, qkv, lse, rng, site, rowDots: dots };
        return [
          first,
          ...parts.flatMap((part) => [
            keptSlopes({ ...read, part }, shape, context),
            keptProducts({ dOut, qkv, dQkv, part }, shape),
          ]),
        ];
      }
    }
    const tensors = { dOut, qkv, lse, rng, site, rowDots: dots, dQkv, slopes };
    return [
      first,
      keyGradients(tensors, shape, context),
      slopes
        ? queryProducts({ slopes, qkv, dQkv }, shape)
        : queryGradients(tensors, shape, context),
    ];
  },
};

/** Parts of which there is memory to keep the scores; null if there is none. */
function keptParts(
  shape: AttentionShape,
  context: KernelContext,
): KeptPart[] | null {
  const bytes = 2 * 4 * keptLength(shape, 1);
  const parts = sequenceParts(shape, { bytes, context });
  if (!parts) return null;
  const kept = context.scratch(2 * keptLength(shape, parts[0].sequences));
  return parts.map((part) => ({ ...part, kept }));
}

/** The same of slopes in two bytes, of some heads where not of a sequence. */
function matrixParts(
  shape: AttentionShape,
  { unit, context }: { unit: MatrixUnit; context: KernelContext },
): MatrixPart[] | null {
  const bytes = 2 * slopesLength(shape, { sequences: 1 });
  const parts = sequenceParts(shape, { bytes, context }) ??
    headParts(shape, { bytes: bytes / shape.Hkv, context });
  if (!parts) return null;
  const length = slopesLength(shape, parts[0]);
  const memory = context.scratch(length / 2);
  const slopes: GpuTensor = { ...memory, dtype: unit.scalar, length };
  return parts.map((part) => ({ ...part, slopes }));
}

/**
 * The sequences in parts of which there is memory to keep so many bytes of
 * each; null where there is none for a single one.
 */
function sequenceParts(
  { B }: AttentionShape,
  { bytes, context }: { bytes: number; context: KernelContext },
): { sequences: number; start?: GpuTensor }[] | null {
  const most = Math.floor(context.mostKeptBytes / bytes);
  if (most === 0) return null;
  const count = Math.ceil(B / most), sequences = Math.ceil(B / count);
  return range(Math.ceil(B / sequences)).map((part) => ({
    sequences,
    start: count > 1
      ? context.table(Float32Array.of(part * sequences))
      : undefined,
  }));
}

/**
 * Heads of keys, with the heads of queries that share them, in parts of which
 * there is memory to keep so many bytes of each; null where there is none for a
 * single one, which may take more.
 */
function headParts(
  { B, Hkv }: AttentionShape,
  { bytes, context }: { bytes: number; context: KernelContext },
): Pick<MatrixPart, "sequences" | "heads" | "start">[] | null {
  if (bytes > context.mostHeadBytes) return null;
  const most = Math.max(1, Math.floor(context.mostKeptBytes / bytes));
  const heads = Math.ceil(Hkv / Math.ceil(Hkv / most));
  return range(B).flatMap((sequence) =>
    range(Math.ceil(Hkv / heads)).map((part) => ({
      ...{ sequences: 1, heads },
      start: context.table(Float32Array.of(sequence, part * heads)),
    }))
  );
}
