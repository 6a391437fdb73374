/**
 * The gate of SwiGLU in WGSL, for kernels of its own and for products.
 *
 * @module
 */

/** `alias V` for so many numbers, and `sigmoid(x)` of one. */
export function sigmoid(width: 1 | 4): string {
  return `
alias V = ${width === 4 ? "vec4<f32>" : "f32"};
fn sigmoid(x: V) -> V {
  return 1.0f / (1.0f + exp(min(-x, V(80.0f)))); // exp(89) overflows
}
`;
}

/**
 * WGSL statements: the gradients `toGate` and `toUp` of `gate` and `up`, by
 * the gradient `dy`; all of them of type V.
 */
export const SWIGLU_SLOPES = `
  let s = sigmoid(gate);
  let toGate = dy * up * s * (1.0f + gate * (1.0f - s));
  let toUp = dy * gate * s;`;
