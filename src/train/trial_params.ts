/**
 * Parameters for trying a model out: as large as after initialization, but
 * made at once.
 *
 * @module
 */

import { PhiloxStream, STREAM } from "../base/philox.ts";
import { release } from "../base/release.ts";
import { sizeOf } from "../graph/tensor.ts";
import { adapterParameters, type Lora } from "../model/lora.ts";
import type { ModelConfig } from "../model/model_config.ts";
import { parameters } from "../model/parameters.ts";

/** Normal numbers drawn once; a large model's own would take a minute. */
const POOL = 1 << 16;

/**
 * Values as after initialization, only that they repeat, one tensor a time:
 * they last until the next ones are asked for.
 */
export function* trialParams(
  model: ModelConfig,
  lora: Lora | null = null,
): Generator<[name: string, values: Float32Array]> {
  const stream = new PhiloxStream(1, STREAM.init);
  const pool = Float32Array.from({ length: POOL }, () => stream.normal());
  const added = lora ? adapterParameters(model, lora) : [];
  for (const { name, shape, init } of [...parameters(model), ...added]) {
    const values = new Float32Array(sizeOf(shape));
    if (init.kind === "constant") values.fill(init.value);
    else {
      for (let i = 0; i < values.length; i++) {
        values[i] = init.std * pool[i % POOL];
      }
    }
    yield [name, values];
    release(values);
  }
}
