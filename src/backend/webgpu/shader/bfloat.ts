/**
 * How shaders round to bf16: by integer operations, the same bits everywhere.
 *
 * @module
 */

/**
 * WGSL: two numbers in one word, as `pack2x16float` packs those of f16. Rounds
 * to the nearest, ties to even; a NaN keeps a bit that says so.
 */
const PACK = `
fn pack2x16bfloat(v: vec2<f32>) -> u32 {
  let bits = bitcast<vec2<u32>>(v);
  let odd = (bits >> vec2<u32>(16u)) & vec2<u32>(1u);
  let isNan = (bits & vec2<u32>(0x7fffffffu)) > vec2<u32>(0x7f800000u);
  let rounded = select(
    bits + vec2<u32>(0x7fffu) + odd, bits | vec2<u32>(0x400000u), isNan,
  );
  return (rounded.x >> 16u) | (rounded.y & 0xffff0000u);
}
`;

/** WGSL that a shader needs before its own code. */
export function bfloatFunctions(code: string): string {
  return code.includes("pack2x16bfloat(") ? PACK : "";
}
