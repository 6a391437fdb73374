/**
 * How shaders read and write tensors of two bytes a number.
 *
 * Kernels are written for f32: `x[i]` is a vector of four, whatever is stored.
 * {@linkcode twoByteAccess} makes calls of those for tensors of two bytes. bf16
 * is the upper half of an f32, so bit operations pack and unpack it on every
 * adapter; f16 needs the feature `shader-f16`.
 *
 * @module
 */

import {
  type Binding,
  type GpuTensor,
  QUAD,
  type TwoBytes,
} from "../dispatch.ts";
import { f32 } from "./wgsl.ts";

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
