/**
 * fill, add, scale, and the activations GELU and SwiGLU with their gradients.
 *
 * Memory bound, but for exp and erf. Tensors begin at multiples of 64 bytes
 * and own the memory up to the next multiple, so whole tensors are walked in
 * full vectors: what lands behind the last element is never read.
 * Source: Hendrycks & Gimpel 2016 (GELU), Shazeer 2020 (SwiGLU).
 *
 * @module
 */

import {
  AddCall,
  FillCall,
  GeluBackwardCall,
  GeluCall,
  ScaleCall,
  SwigluBackwardCall,
  SwigluCall,
} from "./calls";
import { Constant, constant } from "./constants";
import { erf, exp, sigmoid } from "./math";
import { hasNative, nativeGelu, nativeGeluBackward } from "./native";
import { load4, madd, store4 } from "./simd";
import { rangeEnd, rangeStart, takeElements, takeRows } from "./threads";

/** `out = value`. */
export function fill(c: FillCall): void {
  const value = f32x4.splat(c.value);
  while (takeElements(c.n)) {
    const end = <usize> rangeEnd << 2;
    for (let at = <usize> rangeStart << 2; at < end; at += 16) {
      v128.store(c.out + at, value);
    }
  }
}

/** `out = a + b`. */
export function add(c: AddCall): void {
  while (takeElements(c.n)) {
    const end = <usize> rangeEnd << 2;
    for (let at = <usize> rangeStart << 2; at < end; at += 16) {
      const sum = f32x4.add(v128.load(c.a + at), v128.load(c.b + at));
      v128.store(c.out + at, sum);
    }
  }
}

/** `out = factor * x`. */
export function scale(c: ScaleCall): void {
  const factor = f32x4.splat(c.factor);
  while (takeElements(c.n)) {
    const end = <usize> rangeEnd << 2;
    for (let at = <usize> rangeStart << 2; at < end; at += 16) {
      v128.store(c.out + at, f32x4.mul(factor, v128.load(c.x + at)));
    }
  }
}

/** `x * normal cdf(x)`. */
export function gelu(c: GeluCall): void {
  const xs = c.x, out = c.out, exact = !c.tanh;
  while (takeElements(c.n)) {
    const start = <usize> rangeStart << 2, end = <usize> rangeEnd << 2;
    if (hasNative()) {
      nativeGelu(!exact, out + start, xs + start, rangeEnd - rangeStart);
      continue;
    }
    for (let at = start; at < end; at += 16) {
      const x = v128.load(xs + at);
      const weight = exact ? normalCdf(x) : sigmoid(tanhArgument(x));
      v128.store(out + at, f32x4.mul(x, weight));
    }
  }
}

/** Gradient of {@linkcode gelu}. */
export function geluBackward(c: GeluBackwardCall): void {
  const xs = c.x, out = c.out, dOut = c.dOut, exact = !c.tanh;
  while (takeElements(c.n)) {
    const start = <usize> rangeStart << 2, end = <usize> rangeEnd << 2;
    if (hasNative()) {
      nativeGeluBackward(
        !exact,
        out + start,
        xs + start,
        dOut + start,
        rangeEnd - rangeStart,
      );
      continue;
    }
    for (let at = start; at < end; at += 16) {
      const x = v128.load(xs + at);
      const slope = exact ? exactSlope(x) : tanhSlope(x);
      v128.store(out + at, f32x4.mul(v128.load(dOut + at), slope));
    }
  }
}

/** `(1 + erf(x / sqrt 2)) / 2`. */
@inline
function normalCdf(x: v128): v128 {
  const half = constant(Constant.half);
  return madd(erf(f32x4.mul(x, constant(Constant.sqrtHalf))), half, half);
}

@inline
function exactSlope(x: v128): v128 {
  const square = f32x4.mul(x, x);
  const density = f32x4.mul(
    constant(Constant.density0),
    exp(f32x4.mul(constant(Constant.minusHalf), square)),
  );
  return madd(x, density, normalCdf(x));
}

/** `2 u` where the cdf is taken as `(1 + tanh u) / 2 = sigmoid(2 u)`. */
@inline
function tanhArgument(x: v128): v128 {
  const inner = madd(
    f32x4.mul(constant(Constant.tanhCubic), x),
    x,
    constant(Constant.one),
  );
  const scaled = f32x4.mul(constant(Constant.tanhScale2), x);
  const u2 = f32x4.pmin(f32x4.mul(scaled, inner), constant(Constant.tanhBound));
  // So far out the sigmoid is 0 or 1; clamped, its slope stays finite too.
  // Not nearer: what is left of s (1 - s) is multiplied by the cube of x.
  return f32x4.pmax(u2, constant(Constant.tanhLowBound));
}

@inline
function tanhSlope(x: v128): v128 {
  const one = constant(Constant.one);
  const s = sigmoid(tanhArgument(x));
  const inner = madd(f32x4.mul(constant(Constant.tanhCubic3), x), x, one);
  const du2 = f32x4.mul(constant(Constant.tanhScale2), inner);
  const ds = f32x4.mul(f32x4.mul(s, f32x4.sub(one, s)), du2);
  return madd(x, ds, s);
}

/** `silu(gate) * up`. */
export function swiglu(c: SwigluCall): void {
  const rowBytes = <usize> c.F << 2;
  while (takeRows(c.rows, c.F)) {
    for (let row = rangeStart; row < rangeEnd; row++) {
      let gate = c.x + <usize> row * 2 * rowBytes;
      let out = c.out + <usize> row * rowBytes;
      for (let i = 0; i < c.F; i += 4, gate += 16, out += 16) {
        const left = c.F - i;
        const g = load4(gate, left), u = load4(gate + rowBytes, left);
        store4(out, f32x4.mul(f32x4.mul(g, sigmoid(g)), u), left);
      }
    }
  }
}

/** Gradient of {@linkcode swiglu}, packed as its input. */
export function swigluBackward(c: SwigluBackwardCall): void {
  const rowBytes = <usize> c.F << 2;
  const one = constant(Constant.one);
  while (takeRows(c.rows, c.F)) {
    for (let row = rangeStart; row < rangeEnd; row++) {
      let gate = c.x + <usize> row * 2 * rowBytes;
      let out = c.out + <usize> row * 2 * rowBytes;
      let dOut = c.dOut + <usize> row * rowBytes;
      for (let i = 0; i < c.F; i += 4, gate += 16, out += 16, dOut += 16) {
        const left = c.F - i;
        const g = load4(gate, left), u = load4(gate + rowBytes, left);
        const d = load4(dOut, left);
        const s = sigmoid(g), silu = f32x4.mul(g, s);
        // silu' = s + g s (1 - s)
        const slope = madd(silu, f32x4.sub(one, s), s);
        store4(out, f32x4.mul(f32x4.mul(d, u), slope), left);
        store4(out + rowBytes, f32x4.mul(d, silu), left);
      }
    }
  }
}
