/**
 * A quick test of how a device rounds to bf16, before it is trusted with a
 * run: Vulkan leaves the rounding to the driver, which may not compile it
 * either.
 *
 * @module
 */

import { errorMessage } from "../../base/errors.ts";
import { decodeFloats, encodeFloats } from "../../base/float_formats.ts";
import { bind, type Dispatch, type GpuTensor } from "./dispatch.ts";
import type { ExecutableParts } from "./executable.ts";
import { loadProgram } from "./load_program.ts";
import { PipelineCache } from "./pipelines.ts";
import { entry } from "./wgsl.ts";

/** Threads of a workgroup; each packs two numbers. */
const THREADS = 64;

/** Why a device is not to round to bf16, or null. */
export async function whyNoRounding(
  device: Pick<ExecutableParts, "gpu" | "readback">,
): Promise<string | null> {
  try {
    const numbers = someNumbers();
    const got = await roundedBy(device, numbers);
    const wrong = wrongIn(numbers, got);
    return wrong === null ? null : `it rounds ${wrong}`;
  } catch (error) { // its shader does not compile, or the device was lost
    return errorMessage(error);
  }
}

/**
 * Numbers of all sizes and both signs, where bf16 has odd and even digits:
 * just above and below one of bf16, just beside halfway to the next, and
 * there; then what is infinite, and no number.
 */
function someNumbers(): Float32Array {
  const bits: number[] = [];
  for (let upper = 0; upper < 1 << 16; upper += 101) {
    for (const lower of [0, 1, 0x7fff, 0x8000, 0x8001, 0xffff]) {
      bits.push(upper << 16 | lower);
    }
  }
  bits.push(0x80000000, 0x7f7f8000, 0x7f800000, 0xff800000, 0x7f800001);
  const whole = 2 * THREADS;
  while (bits.length % whole !== 0) bits.push(0);
  return new Float32Array(Uint32Array.from(bits).buffer);
}

/** The smallest number of bf16. */
const LEAST = 2 ** -133;

/** What the device makes of numbers, as f32 again. */
async function roundedBy(
  { gpu, readback }: Pick<ExecutableParts, "gpu" | "readback">,
  numbers: Float32Array,
): Promise<Float32Array> {
  const tensor = (
    name: string,
    { dtype, length }: Pick<GpuTensor, "dtype" | "length">,
  ): GpuTensor => ({
    ...{ dtype, length, offset: 0 },
    memory: { name, sizeBytes: 4 * length, lifetime: "persistent" },
  });
  const x = tensor("x", { dtype: "u32", length: numbers.length });
  const out = tensor("out", { dtype: "u32", length: numbers.length / 2 });
  const { bindings } = bind({ read: { x }, write: { out } });
  const dispatch: Dispatch = {
    label: "bfloat16",
    bindings,
    code: entry(
      THREADS,
      `
  let pair = ${THREADS}u * group.x + lane;
  let bits = vec2<u32>(x[2u * pair], x[2u * pair + 1u]);
  out[pair] = pack2x16bfloat(bitcast<vec2<f32>>(bits));`,
    ),
    workgroups: [out.length / THREADS, 1, 1],
  };
  const executable = await loadProgram({
    gpu,
    readback,
    pipelines: new PipelineCache(gpu.device, { roundsToBf16: true }),
    lowered: {
      phases: new Map([["test", [dispatch]]]),
      persistent: new Map([["x", x], ["out", out]]),
    },
  });
  try {
    // As integers, so that nothing on the way makes another NaN of one.
    executable.write("x", new Uint32Array(numbers.buffer));
    await executable.run("test");
    const pairs = await executable.read("out");
    return decodeFloats(new Uint8Array(pairs.slice().buffer), "BF16");
  } finally {
    await executable.dispose();
  }
}

/** `1.00390625 to 1`, of the first number that is wrong; null if none is. */
function wrongIn(numbers: Float32Array, got: Float32Array): string | null {
  const want = decodeFloats(encodeFloats(numbers, "BF16").slice(), "BF16");
  const at = numbers.findIndex((number, i) => {
    if (Object.is(got[i], want[i])) return false; // any NaN is one
    // What is so small that it has lost digits may lose another: an H200 (its
    // driver 580) makes 0x0065 of 0x00658000, and shaders may take it for 0.
    const isSmall = Math.abs(number) < 2 ** -126;
    return !isSmall || !(Math.abs(got[i] - number) < LEAST || got[i] === 0);
  });
  return at < 0 ? null : `${numbers[at]} to ${got[at]}`;
}
