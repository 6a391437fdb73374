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

/** The tensor, refused when it is read if the format would make it infinite. */
export function expectRange(
  tensor: TensorSource,
  dtype: FloatFormat,
): DeferredTensor {
  const { name, shape } = tensor;
  return {
    name,
    shape,
    async read() {
      const values = "data" in tensor
        ? tensor.data.slice()
        : await valuesOf(tensor);
      const wide = dtype === "F16"
        ? values.find((value) => Math.abs(value) > F16_MAX)
        : undefined;
      if (wide === undefined) return values;
      throw new UserError(
        `Cannot export in f16: tensor "${name}" has the value ${wide}, f16 ` +
          `ends at ${F16_MAX}`,
        { hint: "use --dtype bf16 or f32", exitCode: EXIT.usage },
      );
    },
  };
}
