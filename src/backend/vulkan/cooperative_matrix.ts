/**
 * Which products of small matrices a device's matrix units do: a subgroup
 * computes A·B + C at once, with A of M rows and K columns and B of K rows
 * and N columns spread over its lanes.
 *
 * Source: https://registry.khronos.org/vulkan/specs/latest/man/html/VK_KHR_cooperative_matrix.html.
 *
 * @module
 */

import type {
  CooperativeMatrixShape,
  MatrixComponent,
} from "../webgpu/adapters.ts";
import { SCOPE_SUBGROUP } from "./constants.ts";
import type { Instance } from "./instance.ts";
import { NativeMemory, scratch } from "./native_memory.ts";
import { check } from "./result.ts";
import { CooperativeMatrixProperties } from "./structs.ts";

/** Types of elements, as WGSL would name them. */
const COMPONENTS: Readonly<Record<number, MatrixComponent>> = {
  0: "f16",
  1: "f32",
  1000141000: "bf16",
};

/** Products of floating-point numbers by one subgroup. */
export function readMatrixShapes(
  { vk, handle }: Instance,
  device: bigint,
): CooperativeMatrixShape[] {
  return scratch.during(() => {
    const name = "vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR";
    const address = vk.vkGetInstanceProcAddr(handle, scratch.writeText(name));
    if (!address) return [];
    const get = new Deno.UnsafeFnPointer(
      address as Deno.PointerObject<typeof GET_PROPERTIES>,
      GET_PROPERTIES,
    );
    const list = (count: bigint, properties: bigint) =>
      check(get.call(device, count, properties), name);
    const count = scratch.take(8);
    list(count, 0n);
    const room = scratch.readU32(count);
    const type = CooperativeMatrixProperties;
    const memory = new NativeMemory(type.sizeBytes * room);
    const first = memory.writeAll(type, new Array(room).fill({}));
    list(count, first);
    return Array.from({ length: scratch.readU32(count) }, (_, i) => {
      const each = memory.read(type, first + BigInt(i * type.sizeBytes));
      const [a, b, c, result] = [
        each.AType,
        each.BType,
        each.CType,
        each.ResultType,
      ].map((one) => COMPONENTS[one]);
      const { MSize: M, NSize: N, KSize: K } = each;
      return each.scope === SCOPE_SUBGROUP && a && b && c && result
        ? { M, N, K, a, b, c, result }
        : null;
    }).filter((shape) => shape !== null);
  });
}

const GET_PROPERTIES = {
  parameters: ["u64", "u64", "u64"],
  result: "i32",
} as const;
