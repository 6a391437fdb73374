/**
 * Which products of small matrices a device's matrix units do.
 *
 * Source: https://registry.khronos.org/vulkan/specs/latest/man/html/VK_KHR_cooperative_matrix.html.
 *
 * @module
 */

import type { MatrixUnit } from "../../webgpu/device/matrix_unit.ts";
import { SCOPE_SUBGROUP } from "../api/constants.ts";
import { NativeMemory, scratch } from "../api/native_memory.ts";
import { CooperativeMatrixProperties } from "../api/structs.ts";
import type { Instance } from "./instance.ts";

/** VkComponentTypeKHR, by WGSL's names. */
const F32 = 1;
const FACTORS: Readonly<Record<number, MatrixUnit["scalar"]>> = {
  0: "f16",
  1000141000: "bf16",
};

/**
 * Products of short floats with sums of f32, by subgroups of `lanes`; none if
 * the driver fails to tell, as a device can do without.
 */
export function readMatrixUnits(
  { vk, handle }: Instance,
  device: bigint,
  lanes: number,
): MatrixUnit[] {
  return scratch.during(() => {
    const name = "vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR";
    const address = vk.vkGetInstanceProcAddr(handle, scratch.writeText(name));
    if (!address) return [];
    const get = new Deno.UnsafeFnPointer(
      address as Deno.PointerObject<typeof GET_PROPERTIES>,
      GET_PROPERTIES,
    );
    const list = (count: bigint, properties: bigint) =>
      get.call(device, count, properties) >= 0;
    const count = scratch.take(8);
    if (!list(count, 0n)) return [];
    const room = scratch.readU32(count);
    const type = CooperativeMatrixProperties;
    const memory = new NativeMemory(type.sizeBytes * room);
    const first = memory.writeAll(type, new Array(room).fill({}));
    if (!list(count, first)) return [];
    return Array.from({ length: scratch.readU32(count) }, (_, i) => {
      const each = memory.read(type, first + BigInt(i * type.sizeBytes));
      const { MSize: M, NSize: N, KSize: K, AType, BType } = each;
      const scalar = FACTORS[AType];
      return scalar && AType === BType && each.CType === F32 &&
          each.ResultType === F32 && each.scope === SCOPE_SUBGROUP
        ? { M, N, K, scalar, lanes }
        : null;
    }).filter((unit) => unit !== null);
  });
}

const GET_PROPERTIES = {
  parameters: ["u64", "u64", "u64"],
  result: "i32",
} as const;
