/**
 * Start values of the parameters: a pure function of config and seed.
 *
 * As GPT-2: matrices and embeddings N(0, 0.02), projections back into the
 * residual stream scaled by 1/sqrt(2L), norms 1, biases 0. Adapters: lora.ts.
 *
 * @module
 */

import { fillNormals } from "../base/normals.ts";
import { STREAM } from "../base/philox.ts";
import { sizeOf } from "../graph/tensor.ts";
import { adapterParameters, type Lora } from "./lora.ts";
import type { ModelConfig } from "./model_config.ts";
import { parameters, type ParameterSpec } from "./parameters.ts";

/**
 * Values of each parameter, f32, one after another, so that they need not all
 * be in memory. Each has a random sequence of its own, so one tensor's size
 * does not change another's numbers.
 *
 * @param seed An integer of up to 53 bits.
 */
export function eachParam(
  config: ModelConfig,
  seed: number,
): Generator<[name: string, values: Float32Array]> {
  return eachStart(parameters(config), { seed, stream: STREAM.init });
}

/** The same of adapters, whatever weights they are added to. */
export function eachAdapterParam(
  config: ModelConfig,
  lora: Lora,
  seed: number,
): Generator<[name: string, values: Float32Array]> {
  const stream = STREAM.adapterInit;
  return eachStart(adapterParameters(config, lora), { seed, stream });
}

function* eachStart(
  specs: readonly ParameterSpec[],
  { seed, stream }: { seed: number; stream: number },
): Generator<[name: string, values: Float32Array]> {
  for (const [index, { shape, name, init }] of specs.entries()) {
    const values = new Float32Array(sizeOf(shape));
    if (init.kind === "constant") {
      values.fill(init.value);
    } else {
      fillNormals(values, { seed, stream, index, std: init.std });
    }
    yield [name, values];
  }
}
