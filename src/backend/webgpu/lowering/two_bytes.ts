/**
 * Tensors that are stored in two bytes a number and computed with in f32.
 *
 * bf16 is the upper half of an f32, so bit operations pack and unpack it on
 * every adapter; f16 needs the feature `shader-f16`. Which tensors of a
 * program are stored so: those that hold much and lose little, as in mixed
 * precision elsewhere. What flows past all layers (the residual stream and
 * its gradient), statistics, logits, parameters and their gradients stay f32.
 *
 * Kernels are written for f32: `x[i]` is a vector of four, whatever is stored.
 * {@linkcode twoByteAccess} makes calls of those for tensors of two bytes.
 *
 * @module
 */

import type { AnyCall, OpName, Ops } from "../../../graph/ops.ts";
import type { PlacedTensor } from "../../../graph/program.ts";
import {
  type Binding,
  type GpuTensor,
  QUAD,
  type TwoBytes,
} from "../dispatch.ts";
import type { MatrixUnit } from "../gemm/gemm_variant.ts";
import { MOST_GEMV_ROWS } from "../gemv/gemv_plan.ts";
import { f32 } from "../shader/wgsl.ts";

/** Arithmetic that is asked for. */
export type StoredPrecision = "fp32" | "bf16" | "fp16";

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
 * again for the backward pass: gradients are too small for its exponent, and
 * in bf16 need no loss scale. But those that products on units of f16 read, and
 * those of attention, are stored as these take them, times {@linkcode gradientScale}.
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

/** All that the gradient of the loss is made of, and what follows from it. */
export function findGradients(
  calls: readonly AnyCall<PlacedTensor>[],
): Set<PlacedTensor> {
  const gradients = new Set<PlacedTensor>();
  for (const { op, in: inputs, out } of calls) {
    const isBackward = op === "meanLossBackward" ||
      Object.values<PlacedTensor>(inputs).some((x) => gradients.has(x));
    if (!isBackward) continue;
    for (const tensor of Object.values<PlacedTensor>(out)) {
      gradients.add(tensor);
    }
  }
  return gradients;
}

/** Above the gradient of one row's loss, which is 1 at most for its logits. */
const GRADIENT_HEADROOM = 2 ** 8;

/**
 * What gradients are multiplied by where they become f16: a power of two, a
 * pure function of the calls. 1 where there are none.
 *
 * The loss is a mean, so that the gradient of each of its rows is a number of
 * size 1 divided by their count. f16 has all its digits from 2^-14 to 2^16, so
 * that with a row's gradient at 2^8, one that is 2^7 times as large still fits,
 * whatever the count is rounded to, and one 2^22 times smaller keeps all digits,
 * 2^32 times some. What ignored targets leave of the rows makes the others'
 * larger: they fit where at least every 128th counts, as in all batches that
 * are trained on, and are cut off where less do.
 */
export function gradientScale(
  calls: readonly AnyCall<PlacedTensor>[],
): number {
  for (const call of calls) {
    if (call.op !== "meanLossBackward") continue;
    const { rows, scale } = call.attrs;
    return GRADIENT_HEADROOM * 2 ** Math.round(Math.log2(rows / scale));
  }
  return 1;
}

/**
 * A shader whose reads and writes of such tensors are calls; pure.
 *
 * @param options.writable Of each binding, whether it may be written.
 */
export function twoByteAccess(
  bindings: readonly Binding[],
  options: { code: string; writable: readonly boolean[] },
): { enables: readonly string[]; code: string } {
  const types = new Set<TwoBytes>();
  let { code } = options;
  for (const [i, { name, type, tensor }] of bindings.entries()) {
    const { dtype } = tensor;
    if (dtype !== "bf16" && dtype !== "f16") continue;
    if (type === QUAD) { // only read as it is stored
      code = quadReader(name) + code;
      continue;
    }
    types.add(dtype);
    const calls = (prefix: string) => code.includes(`${prefix}_${name}(`);
    const stored = { dtype, scale: tensor.scale ?? 1 };
    code = reader(name, stored) +
      (calls("raw") ? rawReader(name, dtype) : "") +
      (calls("stored") ? storedReader(name, stored) : "") +
      (options.writable[i] ? writer(name, stored) : "") + withCalls(code, name);
  }
  return { enables: types.has("f16") ? ["f16"] : [], code };
}

/** Vectors of a tensor in the fewest registers, to be read ahead of their use. */
export interface StoredVectors {
  /** What holds one, in WGSL. */
  readonly type: string;
  /** WGSL that reads vector `at`. */
  readonly read: (at: string) => string;
  /** WGSL of the four numbers. */
  readonly numbers: (stored: string) => string;
}

/** Those of `tensor`, bound as vectors to the variable `name`. */
export function storedVectors(
  { dtype }: GpuTensor,
  name: string,
): StoredVectors {
  if (dtype !== "bf16" && dtype !== "f16") {
    return {
      type: "vec4<f32>",
      read: (at) => `${name}[${at}]`,
      numbers: (stored) => stored,
    };
  }
  return {
    type: storedType(dtype),
    read: (at) => `stored_${name}(${at})`,
    numbers: (stored) => `of_${name}(${stored})`,
  };
}

/** `x[i] = v;` becomes `write_x(i, v);`, and `x[i]` elsewhere `read_x(i)`. */
function withCalls(code: string, name: string): string {
  let done = "", rest = code;
  const begin = new RegExp(`(?<![\\w.])${name}\\[`);
  for (let match; (match = begin.exec(rest));) {
    const from = match.index + match[0].length;
    const to = closing(rest, from);
    const index = withCalls(rest.slice(from, to), name);
    done += rest.slice(0, match.index);
    rest = rest.slice(to + 1);
    const written = /^\s*=(?!=)/.exec(rest);
    if (written) {
      const end = rest.indexOf(";");
      const value = withCalls(rest.slice(written[0].length, end), name);
      done += `write_${name}(${index}, ${value.trim()})`;
      rest = rest.slice(end);
    } else {
      done += `read_${name}(${index})`;
    }
  }
  return done + rest;
}

/** Where the bracket closes that opened before `from`. */
function closing(text: string, from: number): number {
  for (let at = from, depth = 1; at < text.length; at++) {
    if (text[at] === "[") depth++;
    if (text[at] === "]" && --depth === 0) return at;
  }
  throw new TypeError("Cannot find the end of an index");
}

/** How a tensor is stored. */
interface Stored {
  readonly dtype: TwoBytes;
  readonly scale: number;
}

/** WGSL behind what is multiplied. */
function times(factor: number): string {
  return factor === 1 ? "" : ` * ${f32(factor)}`;
}

function reader(name: string, { dtype, scale }: Stored): string {
  if (dtype === "f16") {
    return `
fn read_${name}(i: u32) -> vec4<f32> {
  return vec4<f32>(${name}[i])${times(1 / scale)};
}
`;
  }
  return `
fn read_${name}(i: u32) -> vec4<f32> {
  let pairs = ${name}[i];
  return ${FROM_BF16};
}
`;
}

/** Reads what is stored, not the numbers. */
function rawReader(name: string, dtype: TwoBytes): string {
  const value = `${name}[i]`;
  return `
fn raw_${name}(i: u32) -> vec2<u32> {
  return ${dtype === "f16" ? `bitcast<vec2<u32>>(${value})` : value};
}
`;
}

/** The same for eight numbers. */
function quadReader(name: string): string {
  return `
fn raw_${name}(i: u32) -> ${QUAD} { return ${name}[i]; }
`;
}

/** What four numbers are stored as. */
function storedType(dtype: TwoBytes): string {
  return dtype === "f16" ? "vec4<f16>" : "vec2<u32>";
}

/** For {@linkcode storedVectors}: naga casts no words to numbers of f16. */
function storedReader(name: string, { dtype, scale }: Stored): string {
  const type = storedType(dtype);
  return `
fn stored_${name}(i: u32) -> ${type} { return ${name}[i]; }
fn of_${name}(pairs: ${type}) -> vec4<f32> {
  return ${dtype === "f16" ? `vec4<f32>(pairs)${times(1 / scale)}` : FROM_BF16};
}
`;
}

function writer(name: string, { dtype, scale }: Stored): string {
  return `
fn write_${name}(i: u32, value: vec4<f32>) {
  let v = value${times(scale)};${
    dtype === "f16"
      ? `${F16}
  ${name}[i] = numbers;`
      : `${BF16}
  ${name}[i] = pairs;`
  }
}
`;
}

/** WGSL: `name(v)`, the two words that four numbers of f32 are stored as. */
export function packing(name: string, dtype: TwoBytes): string {
  return `
fn ${name}(v: vec4<f32>) -> vec2<u32> {${
    dtype === "f16"
      ? `${F16}
  return bitcast<vec2<u32>>(numbers);`
      : `${BF16}
  return pairs;`
  }
}
`;
}

/** WGSL: `name(pairs)`, the four numbers that two words store. */
export function unpacking(name: string, dtype: TwoBytes): string {
  return `
fn ${name}(pairs: vec2<u32>) -> vec4<f32> {
  return ${
    dtype === "f16" ? "vec4<f32>(bitcast<vec4<f16>>(pairs))" : FROM_BF16
  };
}
`;
}

/**
 * From `v` the `numbers` of f16. What it cannot hold becomes its largest
 * number: infinite, it would be NaN some products later. What is not finite
 * itself stays, to be noticed.
 */
const F16 = `
  let size = bitcast<vec4<u32>>(v) & vec4<u32>(0x7fffffffu);
  let isFinite = size < vec4<u32>(0x7f800000u);
  let most = vec4<f32>(65504.0f);
  let numbers = vec4<f16>(select(v, clamp(v, -most, most), isFinite));`;

/** From `v` the `pairs` of bf16; see bfloat.ts. */
const BF16 = `
  let pairs = vec2<u32>(pack2x16bfloat(v.xy), pack2x16bfloat(v.zw));`;

/** Of `pairs` of bf16 the numbers. */
const FROM_BF16 = `bitcast<vec4<f32>>(vec4<u32>(
    pairs.x << 16u, pairs.x & 0xffff0000u,
    pairs.y << 16u, pairs.y & 0xffff0000u,
  ))`;
