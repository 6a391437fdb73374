/**
 * How shaders round to bf16: by `pack2x16bfloat`, which ../spirv/ has where a
 * device does it (VK_KHR_shader_bfloat16), or else by integer operations.
 *
 * Both give the same bits, but for those of a NaN.
 *
 * @module
 */

/** What a device must have, and the extension of WGSL. */
export const BFLOAT16 = "bfloat16";

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

/** What a shader needs that may call `pack2x16bfloat`. */
export function bfloatRounding(
  code: string,
  byDevice: boolean,
): { enables: readonly string[]; code: string } {
  if (!code.includes("pack2x16bfloat(")) return { enables: [], code: "" };
  return byDevice
    ? { enables: [BFLOAT16], code: "" }
    : { enables: [], code: PACK };
}
