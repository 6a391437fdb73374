/**
 * Which temporaries of a phase are stored in two bytes a number: those that
 * hold much and lose little, as in mixed precision elsewhere. What flows past
 * all layers (the residual stream and its gradient), statistics, logits,
 * parameters and their gradients stay f32.
 *
 * All are computed with in f32; how shaders read and write them is
 * ../shader/two_byte_access.ts.
 *
 * @module
 */

import type { AnyCall, OpName, Ops } from "../../../graph/ops.ts";
import type { PlacedTensor } from "../../../graph/program.ts";
import type { MatrixUnit } from "../device/matrix_unit.ts";
import type { StoredPrecision, TwoBytes } from "../dispatch.ts";
import { MOST_GEMV_ROWS } from "../gemv/gemv_plan.ts";
import { findGradients } from "./gradients.ts";

type Attrs<K extends OpName> = Ops<unknown>[K]["attrs"];
/** Of each op, names of tensors that a call can take in some way. */
export type Uses = {
  readonly [K in OpName]?: (
    attrs: Attrs<K>,
    inputs: Readonly<Record<string, unknown>>,
  ) => readonly string[];
};

const when = (fits: boolean, ...names: string[]) => fits ? names : [];
const isWhole = (n: number) => n % 4 === 0;
const norm = ({ C }: { C: number }) => when(isWhole(C), "out");
const normBackward = ({ C }: { C: number }) => when(isWhole(C), "dOut");

/** What may be stored in two bytes; the input of a norm is what flows past. */
const VECTORS: Uses = {
  matmul: ({ M, N, K, transA, transB }) =>
    M <= MOST_GEMV_ROWS ? [] : [
      ...when(isWhole(transA ? M : K), "a"),
      ...when(isWhole(transB ? K : N), "b"),
      ...when(isWhole(N), "out"),
    ],
  sumRows: ({ C }) => when(isWhole(C), "x"),
  layerNorm: norm,
  rmsNorm: norm,
  layerNormBackward: normBackward,
  rmsNormBackward: normBackward,
  normWeightBackward: normBackward,
  gelu: ({ n }) => when(isWhole(n), "x", "out"),
  geluBackward: ({ n }) => when(isWhole(n), "dOut", "x", "out"),
  scale: ({ n }) => when(isWhole(n), "x", "out"),
  rope: ({ width, D }) => when(isWhole(width) && isWhole(D / 2), "x", "out"),
  swiglu: ({ F }) => when(isWhole(F), "x", "out"),
  swigluBackward: ({ F }) => when(isWhole(F), "dOut", "x", "out"),
  attention: ({ D }) => when(isWhole(D), "qkv", "out"),
  attentionBackward: ({ D }) => when(isWhole(D), "dOut", "qkv", "out", "dQkv"),
  crossEntropyBackward: ({ V }) => when(isWhole(V), "out"),
  dropout: ({ n }) => when(isWhole(n), "x", "out"),
};

/**
 * What may be so although its rows are no multiples of four, as they are filled
 * up with zeros: the gradient of logits, of odd vocabularies.
 */
export const FILLED_UP: Uses = {
  matmul: ({ M }) => when(M > MOST_GEMV_ROWS, "a", "b"),
  crossEntropyBackward: () => ["out"],
};

/**
 * How each temporary of a phase is stored that is not f32.
 *
 * With fp16, only what the forward pass makes is f16, also where it is computed
 * again for the backward pass: gradients are too small for its exponent, and in
 * bf16 need no loss scale. But those that products on units of f16 read, and
 * those of attention, are stored as these take them, times {@linkcode
 * gradientScale}.
 *
 * @param unit What products may use.
 */
export function chooseTwoBytes(
  calls: readonly AnyCall<PlacedTensor>[],
  precision: StoredPrecision,
  unit: Pick<MatrixUnit, "scalar"> | null = null,
): Map<PlacedTensor, TwoBytes> {
  if (precision === "fp32") return new Map();
  const gradients = findGradients(calls);
  const fitting = fittingTemporaries(
    calls,
    (tensor) => hasWholeRows(tensor) ? VECTORS : FILLED_UP,
  );
  const chosen = new Map<PlacedTensor, TwoBytes>();
  for (const tensor of fitting) {
    const isF16 = precision === "fp16" && !gradients.has(tensor);
    chosen.set(tensor, isF16 ? "f16" : "bf16");
  }
  if (precision === "fp16" && unit?.scalar === "f16") {
    for (const { op, in: inputs } of calls) {
      const factors = op === "matmul"
        ? [inputs.a, inputs.b]
        : op === "attentionBackward"
        ? [inputs.dOut]
        : [];
      for (const factor of factors) {
        if (chosen.has(factor)) chosen.set(factor, "f16");
      }
    }
  }
  return chosen;
}

/** Temporaries of f32 that all calls can take as `usesOf` them says. */
export function fittingTemporaries(
  calls: readonly AnyCall<PlacedTensor>[],
  usesOf: (tensor: PlacedTensor) => Uses,
): Set<PlacedTensor> {
  const fitting = new Set<PlacedTensor>(), refused = new Set<PlacedTensor>();
  for (const call of calls) {
    for (const side of [call.in, call.out]) {
      for (const [name, tensor] of Object.entries<PlacedTensor>(side)) {
        if (tensor.kind !== "temp" || tensor.dtype !== "f32") continue;
        // Call and entry are of one op, which a lookup cannot express.
        const names = usesOf(tensor)[call.op] as
          | (
            (attrs: unknown, inputs: unknown) => readonly string[]
          )
          | undefined;
        // A sum with what flows past flows past itself.
        const isSum = name === "out" && "addTo" in call.in;
        const fits = !isSum && names?.(call.attrs, call.in).includes(name);
        (fits ? fitting : refused).add(tensor);
      }
    }
  }
  return fitting.difference(refused);
}

/** Whether rows of a tensor are whole vectors. */
export function hasWholeRows({ shape }: PlacedTensor): boolean {
  return isWhole(shape.at(-1) ?? 1);
}
