/**
 * Matrix units for tests, through Vulkan. Mesa's software has one of 8 x 8 x 8
 * numbers of f16 since its version 26. Without any, tests that need one are
 * skipped, and say so.
 *
 * @module
 */

import { listVulkanAdapters } from "../../../src/backend/vulkan/adapters.ts";
import { chooseAttention } from "../../../src/backend/webgpu/choice/attention_choice.ts";
import type { FoundAdapter } from "../../../src/backend/webgpu/device/adapters.ts";
import type { MatrixUnit } from "../../../src/backend/webgpu/device/matrix_unit.ts";
import { parseVariant } from "../../../src/backend/webgpu/choice/gemm_choice.ts";
import type { GemmVariant } from "../../../src/backend/webgpu/gemm/gemm_variant.ts";
import { matrixUnitFor } from "../../../src/backend/webgpu/choice/matrix_choice.ts";
import {
  openWebGpuBackend,
  type WebGpuBackend,
  type WebGpuOptions,
} from "../../../src/backend/webgpu/webgpu_backend.ts";
import { saySkipped } from "../../_skipped.ts";

/** A precision with the unit that it uses. */
export interface MatrixDevice {
  readonly precision: "bf16" | "fp16";
  readonly unit: MatrixUnit;
  readonly adapter: FoundAdapter;
  /** Opens it; products are computed by `text` on its unit, and attention. */
  open(text?: string, options?: WebGpuOptions): Promise<WebGpuBackend>;
}

function adapters(): FoundAdapter[] {
  try {
    return listVulkanAdapters();
  } catch {
    return []; // no Vulkan here
  }
}

/** Of every precision that has units here. */
export const matrixDevices: readonly MatrixDevice[] = adapters()
  .slice(0, 1).flatMap((adapter) =>
    (["bf16", "fp16"] as const).flatMap((precision): MatrixDevice[] => {
      const unit = matrixUnitFor(precision, adapter.info.matrixUnits);
      if (!unit) return [];
      const open = async (
        text = "32x32x16 16x16",
        options: WebGpuOptions = {},
      ) => {
        const { limits } = (await adapter.request())!;
        return await openWebGpuBackend(adapter, {
          gemmVariant: () => onUnit(text, unit),
          attention: (call) => chooseAttention(call, { unit, limits }),
          ...options,
          precision,
        });
      };
      return [{ precision, unit, adapter, open }];
    })
  );

if (matrixDevices.length === 0) {
  saySkipped(
    "no matrix units: tests of products on them are skipped (Mesa 26 has them " +
      "in software)",
  );
}

/** A test for each precision with units; one that is skipped without any. */
export function onUnits(
  name: string,
  test: (device: MatrixDevice) => Promise<void>,
): void {
  if (matrixDevices.length === 0) {
    Deno.test({ name: `units: ${name}`, ignore: true, fn() {} });
  }
  for (const device of matrixDevices) {
    Deno.test(`units of ${device.unit.scalar}: ${name}`, () => test(device));
  }
}

/** `32x32x16 16x16`, perhaps in parts of k, by a unit. */
export function onUnit(text: string, unit: MatrixUnit): GemmVariant {
  const { M, N, K, scalar, lanes } = unit;
  const [tile, ...parts] = text.split(" / ");
  const words = `${tile} matrix ${scalar} ${M}x${N}x${K} on ${lanes} lanes`;
  return parseVariant([words, ...parts].join(" / "));
}

/** Rounds numbers as a unit's factors are: to the nearest, ties to even. */
export function rounded(
  numbers: Float32Array,
  { scalar }: MatrixUnit,
): Float32Array {
  if (scalar === "f16") {
    return numbers.map((x) =>
      Math.f16round(Math.max(-65504, Math.min(65504, x)))
    );
  }
  const bits = new Uint32Array(numbers.slice().buffer);
  bits.forEach((word, i) => {
    bits[i] = (word + 0x7fff + ((word >>> 16) & 1)) & 0xffff0000;
  });
  return new Float32Array(bits.buffer);
}
