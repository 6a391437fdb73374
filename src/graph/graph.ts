/**
 * A graph: tensors, and the calls that fill them, in order of execution.
 *
 * A model is a function that calls the methods of a {@linkcode Graph}; each
 * checks its shapes, records one call and returns its result. Nothing is
 * computed here. Temporaries are written once; persistent tensors keep their
 * content from run to run and are known by name, also across graphs.
 *
 * @module
 */

import type { AnyCall, Call, OpName, Ops } from "./ops.ts";

/** Element type; `u32` is for token ids, positions and counters only. */
export type DType = "f32" | "u32";

/**
 * Who owns the content of a tensor: `temp` lives within one run of one phase;
 * `param`, `state`, `input` and `output` persist and can be read or written
 * by name.
 */
export type TensorKind = "temp" | "param" | "state" | "input" | "output";

/** A value of a graph. Identity matters: compare tensors with `===`. */
export interface Tensor {
  readonly name: string;
  readonly kind: TensorKind;
  readonly dtype: DType;
  readonly shape: readonly number[];
}

/** Number of elements of a shape. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, n) => product * n, 1);
}

/** Where an op that can accumulate puts its result. */
export interface Into {
  /** Added to the result. */
  addTo?: Tensor;
  /** A persistent tensor to write, in place of a new temporary. */
  out?: Tensor;
}

/** Records calls; see the module. */
export class Graph {
  /** In order of execution. */
  readonly calls: AnyCall<Tensor>[] = [];
  readonly #named = new Map<string, Tensor>();
  #temps = 0;

  /** All persistent tensors this graph mentions, by name. */
  get named(): ReadonlyMap<string, Tensor> {
    return this.#named;
  }

  /** A trainable parameter, f32. */
  param(name: string, shape: readonly number[]): Tensor {
    return this.#persistent("param", name, shape, "f32");
  }

  /** Something kept from run to run, such as a gradient or a cache. */
  state(name: string, shape: readonly number[]): Tensor {
    return this.#persistent("state", name, shape, "f32");
  }

  /** Something the host writes before a run. */
  input(name: string, shape: readonly number[], dtype: DType): Tensor {
    return this.#persistent("input", name, shape, dtype);
  }

  /** Something the host reads after a run. */
  output(name: string, shape: readonly number[]): Tensor {
    return this.#persistent("output", name, shape, "f32");
  }

  /** A new temporary, f32. */
  temp(shape: readonly number[]): Tensor {
    const name = `%${this.#temps++}`;
    return { name, kind: "temp", dtype: "f32", shape };
  }

  /** Records a call. The methods below and the backward rules use it. */
  record<K extends OpName>(
    op: K,
    call: {
      in: Ops<Tensor>[K]["in"];
      out: Ops<Tensor>[K]["out"];
      attrs: Ops<Tensor>[K]["attrs"];
    },
  ): Ops<Tensor>[K]["out"] {
    // The union of all calls cannot be built from a generic K without help.
    this.calls.push({ op, ...call } as Call<K, Tensor> as AnyCall<Tensor>);
    return call.out;
  }
  #persistent(
    kind: TensorKind,
    name: string,
    shape: readonly number[],
    dtype: DType,
  ): Tensor {
    const known = this.#named.get(name);
    if (known) {
      if (
        known.kind !== kind || known.dtype !== dtype ||
        known.shape.join() !== shape.join()
      ) {
        throw new TypeError(
          `Cannot use ${kind} "${name}" ${dtype} (${shape}): it is a ` +
            `${known.kind} ${known.dtype} (${known.shape})`,
        );
      }
      return known;
    }
    const tensor: Tensor = { name, kind, dtype, shape };
    this.#named.set(name, tensor);
    return tensor;
  }
}
