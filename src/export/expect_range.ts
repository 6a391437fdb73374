/**
 * Numbers that a narrower format cannot hold.
 *
 * @module
 */

import { EXIT, UserError } from "../base/errors.ts";
import { F16_MAX, type FloatFormat } from "../base/float_formats.ts";
import {
  type DeferredTensor,
  type TensorSource,
  valuesOf,
} from "../base/safetensors.ts";

/** The largest number of each format that is narrower than f32's. */
const LIMITS: Partial<Record<FloatFormat | "Q8_0", number>> = {
  F16: F16_MAX,
  Q8_0: F16_MAX * 127, // blocks have their scale in f16
};

/** The tensor, refused when it is read if the format would make it infinite. */
export function expectRange(
  tensor: TensorSource,
  format: FloatFormat | "Q8_0",
): DeferredTensor {
  const { name, shape } = tensor;
  const limit = LIMITS[format] ?? Infinity;
  return {
    name,
    shape,
    async read() {
      const values = "data" in tensor
        ? tensor.data.slice()
        : await valuesOf(tensor);
      if (limit === Infinity) return values;
      const wide = values.find((value) => Math.abs(value) > limit);
      if (wide === undefined) return values;
      throw new UserError(
        `Cannot export tensor "${name}" in ${format.toLowerCase()}: it has ` +
          `the value ${wide}, the format ends at ${limit}`,
        { hint: "use --dtype bf16 or f32", exitCode: EXIT.usage },
      );
    },
  };
}
