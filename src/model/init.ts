/**
 * Start values of the parameters: a pure function of config and seed.
 *
 * As GPT-2: matrices and embeddings N(0, 0.02), projections back into the
 * residual stream scaled by 1/sqrt(2L), norms 1, biases 0.
 *
 * @module
 */

import { PhiloxStream, STREAM } from "../base/philox.ts";
import { sizeOf } from "../graph/graph.ts";
import type { ModelConfig } from "./model_config.ts";
import { parameters } from "./parameters.ts";

/**
 * Values of all parameters by name, f32. Each has a random sequence of its
 * own, so one tensor's size does not change another's numbers.
 *
 * @param seed An integer of up to 53 bits.
 */
export function initParams(
  config: ModelConfig,
  seed: number,
): Map<string, Float32Array> {
  const params = new Map<string, Float32Array>();
  for (const [index, { name, shape, init }] of parameters(config).entries()) {
    const values = new Float32Array(sizeOf(shape));
    if (init.kind === "constant") {
      values.fill(init.value);
    } else {
      const stream = new PhiloxStream(seed, STREAM.init, index);
      for (let i = 0; i < values.length; i++) {
        values[i] = init.std * stream.normal();
      }
    }
    params.set(name, values);
  }
  return params;
}
