/**
 * Adapters added into the weights they belong to: a model like any other,
 * which generates, evaluates and exports at no extra cost.
 *
 * One tensor at a time, so that a large model need not fit in memory; each
 * number is summed in f64 and rounded once.
 *
 * @module
 */

import { UserError } from "../base/errors.ts";
import {
  type DeferredTensor,
  type TensorSource,
  valuesOf,
} from "../base/safetensors.ts";
import { huggingFaceTensors } from "./huggingface.ts";
import { type Adapter, adapters, type Lora, loraScale } from "./lora.ts";
import type { ModelConfig } from "./model_config.ts";

/**
 * The tensors of the merged model.
 *
 * @param options.base Of the frozen model, under Hugging Face's names.
 * @param options.factors A and B under our names.
 * @throws {UserError} If tensors of adapters are missing, unknown or of
 * another shape.
 */
export function mergedTensors(
  model: ModelConfig,
  { lora, base, factors }: {
    lora: Lora;
    base: readonly TensorSource[];
    factors: readonly TensorSource[];
  },
): TensorSource[] {
  const given = checkedFactors(model, lora, factors);
  const adapterOf = new Map(adapters(model, lora).map((a) => [a.weight, a]));
  const ours = new Map(huggingFaceTensors(model).map((t) => [t.name, t]));
  return base.map((tensor) => {
    const { param = null, offset = 0 } = ours.get(tensor.name) ?? {};
    const adapter = param === null ? undefined : adapterOf.get(param);
    if (!adapter) return tensor;
    const scale = loraScale(lora);
    return merged(tensor, { adapter, given, offset, scale });
  });
}

/**
 * The factors by name.
 *
 * @throws {UserError} As {@linkcode mergedTensors}.
 */
export function checkedFactors<T extends TensorSource>(
  model: ModelConfig,
  lora: Lora,
  factors: readonly T[],
): Map<string, T> {
  const given = new Map(factors.map((tensor) => [tensor.name, tensor]));
  const wanted = adapters(model, lora).flatMap(({ a, b }) => [a, b]);
  for (const { name, shape } of wanted) {
    const tensor = given.get(name);
    if (!tensor) refuse(`tensor "${name}" is missing`);
    if (tensor.shape.join() === shape.join()) continue;
    refuse(
      `tensor "${name}" has shape (${tensor.shape.join(", ")}), expected ` +
        `(${shape.join(", ")})`,
    );
  }
  if (given.size > wanted.length) {
    const names = new Set(wanted.map(({ name }) => name));
    const extra = [...given.keys()].find((name) => !names.has(name));
    refuse(`tensor "${extra}" belongs to no adapter`);
  }
  return given;
}

/** @param options.offset First element of the tensor in our weight. */
function merged(
  tensor: TensorSource,
  { adapter, given, offset, scale }: {
    adapter: Adapter;
    given: ReadonlyMap<string, TensorSource>;
    offset: number;
    scale: number;
  },
): DeferredTensor {
  const { name, shape } = tensor;
  return {
    name,
    shape,
    async read() {
      await null; // adapters beside adapters, however many, are no deep stack
      const values = "data" in tensor
        ? tensor.data.slice()
        : await tensor.read();
      const a = await valuesOf(given.get(adapter.a.name)!);
      const b = await valuesOf(given.get(adapter.b.name)!);
      const { isTransposed } = adapter;
      const [rank, ins] = adapter.a.shape, [outs] = adapter.b.shape;
      // weight = weight + left right, where left has a row for each of ours.
      const [columns, left, right] = isTransposed
        ? [outs, transpose(a, rank), transpose(b, outs)]
        : [ins, b, a];
      addProduct(values, {
        firstRow: offset / columns,
        columns,
        left,
        right,
        scale,
      });
      return values;
    },
  };
}

/** Adds `scale * left right` to some rows of a matrix. */
function addProduct(
  values: Float32Array,
  { firstRow, columns, left, right, scale }: {
    firstRow: number;
    columns: number;
    /** (all rows, rank). */
    left: Float32Array;
    /** (rank, columns). */
    right: Float32Array;
    scale: number;
  },
): void {
  const rank = right.length / columns;
  const sums = new Float64Array(columns);
  for (let at = 0; at < values.length; at += columns) {
    const row = firstRow + at / columns;
    const factor = (k: number) => k < rank ? scale * left[row * rank + k] : 0;
    sums.fill(0);
    // Four at a time: the sums are what is loaded and stored.
    for (let k = 0; k < rank; k += 4) {
      const [f0, f1, f2, f3] = [0, 1, 2, 3].map((i) => factor(k + i));
      const [r0, r1, r2, r3] = [0, 1, 2, 3]
        .map((i) => Math.min(k + i, rank - 1) * columns);
      for (let c = 0; c < columns; c++) {
        sums[c] += f0 * right[r0 + c] + f1 * right[r1 + c] +
          f2 * right[r2 + c] + f3 * right[r3 + c];
      }
    }
    for (let c = 0; c < columns; c++) values[at + c] += sums[c];
  }
}

/** (rows, columns) to (columns, rows). */
function transpose(matrix: Float32Array, rows: number): Float32Array {
  const columns = matrix.length / rows;
  const out = new Float32Array(matrix.length);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) {
      out[c * rows + r] = matrix[r * columns + c];
    }
  }
  return out;
}

function refuse(what: string): never {
  throw new UserError(`Cannot load the adapters: ${what}`, {
    hint: "use adapters and adapter.json of one and the same checkpoint",
  });
}
