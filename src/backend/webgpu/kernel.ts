/**
 * What a WebGPU kernel is: a function from one call to its dispatches.
 *
 * @module
 */

import type { AttentionAttrs, Call, OpName } from "../../graph/ops.ts";
import type { AttentionChoice } from "./attention/attention_tile.ts";
import type { Dispatch, GpuTensor, TwoBytes } from "./dispatch.ts";
import type { GemmShape, GemmVariant } from "./gemm/gemm_variant.ts";

/** What a kernel may ask for beside its tensors. */
export interface KernelContext {
  /** Most that attention's gradient may keep between its dispatches. */
  readonly mostKeptBytes: number;
  /** The same where that is of a single head of keys. */
  readonly mostHeadBytes: number;
  /** Most tensors that a dispatch may bind. */
  readonly mostBindings: number;
  /** Most workgroup memory of a dispatch. */
  readonly workgroupBytes: number;
  /** Whether shaders may use u64, which WebGPU by itself has not. */
  readonly hasU64: boolean;
  /** Whether a CPU computes: workgroups, idle ones too, and barriers are dear. */
  readonly isSoftware: boolean;
  /** How to compute attention. */
  attention(
    op: "attention" | "attentionBackward",
    attrs: AttentionAttrs,
  ): AttentionChoice;
  /** How to compute a product of many rows. */
  gemmVariant(shape: GemmShape): GemmVariant;
  /**
   * A power of two that a factor is multiplied by where it becomes f16: large
   * for gradients, with fp16, else 1.
   */
  factorScale(factor: GpuTensor): number;
  /** The copy of a factor of f32 that a unit takes as it is, if there is one. */
  copyOf(factor: GpuTensor, scalar: TwoBytes): GpuTensor | undefined;
  /** The same of a result, if its kernel is to round it by the way. */
  copyBeside(result: GpuTensor): GpuTensor | undefined;
  /** Memory for the time of this call, f32. */
  scratch(length: number): GpuTensor;
  /** Memory for the time of this call, u32. */
  scratchU32(length: number): GpuTensor;
  /** A table of numbers known now. */
  table(values: Float32Array<ArrayBuffer>): GpuTensor;
}

/** Lowers one call. */
export type Kernel<K extends OpName> = (
  call: Call<K, GpuTensor>,
  context: KernelContext,
) => Dispatch[];

/** Some kernels by the name of their op. */
export type Kernels<K extends OpName> = { readonly [P in K]: Kernel<P> };
