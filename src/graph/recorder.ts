/**
 * The bookkeeping under a graph: its persistent tensors, its temporaries and
 * its calls, in order of execution.
 *
 * Temporaries are written once, by the call that makes them. Persistent
 * tensors are known by name and may be written again and again.
 *
 * @module
 */

import {
  type AnyCall,
  type Call,
  IN_PLACE,
  type OpName,
  type Ops,
} from "./ops.ts";
import {
  expectDimensions,
  expectPersistent,
  expectShape,
} from "./shape_checks.ts";
import {
  describeTensor,
  type DType,
  sameShape,
  type Tensor,
  type TensorKind,
} from "./tensor.ts";

/** Where an op that can accumulate puts its result. */
export interface Into {
  /** Added to the result. */
  addTo?: Tensor;
  /** A persistent tensor to write, in place of a new temporary. */
  out?: Tensor;
}

/** Records calls; {@linkcode Graph} adds a method per op. */
export class Recorder {
  /** In order of execution. */
  readonly calls: AnyCall<Tensor>[] = [];
  readonly #named = new Map<string, Tensor>();
  readonly #written = new Set<Tensor>();
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
    expectDimensions(name, shape);
    return { name, kind: "temp", dtype: "f32", shape };
  }

  /**
   * Records a call. The methods of a graph and the backward rules use it.
   *
   * @throws {TypeError} If an input was not made by this graph, a temporary
   * would be written twice, or an output overwrites an input that the op
   * still needs.
   */
  record<K extends OpName>(
    op: K,
    call: {
      in: Ops<Tensor>[K]["in"];
      out: Ops<Tensor>[K]["out"];
      attrs: Ops<Tensor>[K]["attrs"];
    },
  ): Ops<Tensor>[K]["out"] {
    const inputs = present(call.in), outputs = present(call.out);
    for (const [name, tensor] of Object.entries(inputs)) {
      this.#expectOwn(op, name, tensor);
      if (tensor.kind === "temp" && !this.#written.has(tensor)) {
        throw new TypeError(
          `Cannot record ${op}: ${name} is ${describeTensor(tensor)}, ` +
            `which no earlier call of this graph writes`,
        );
      }
    }
    for (const [name, tensor] of Object.entries(outputs)) {
      this.#expectOwn(op, name, tensor);
      if (tensor.kind === "temp" && this.#written.has(tensor)) {
        throw new TypeError(
          `Cannot record ${op}: ${describeTensor(tensor)} is written already`,
        );
      }
      expectNoOverwrite(op, name, tensor, inputs);
      this.#written.add(tensor);
    }
    // The union of all calls cannot be built from a generic K without help.
    this.calls.push(
      { op, ...call, in: inputs } as Call<K, Tensor> as AnyCall<Tensor>,
    );
    return call.out;
  }

  #expectOwn(op: string, name: string, tensor: Tensor): void {
    if (tensor.kind === "temp" || this.#named.get(tensor.name) === tensor) {
      return;
    }
    throw new TypeError(
      `Cannot record ${op}: ${name} is ${describeTensor(tensor)} of another ` +
        `graph; ask this graph for it by name`,
    );
  }

  /** The tensor that a result goes to, once `into` is found to fit it. */
  protected result(
    op: string,
    shape: readonly number[],
    { addTo, out }: Into,
  ): Tensor {
    expectShape(op, "addTo", addTo, shape);
    expectShape(op, "out", out, shape);
    expectPersistent(op, "out", out);
    return out ?? this.temp(shape);
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
        !sameShape(known.shape, shape)
      ) {
        throw new TypeError(
          `Cannot use ${describeTensor({ kind, name, dtype, shape })}: ` +
            `it is ${describeTensor(known)}`,
        );
      }
      return known;
    }
    expectDimensions(name, shape);
    const tensor: Tensor = { name, kind, dtype, shape };
    this.#named.set(name, tensor);
    return tensor;
  }
}

/** The entries that are there, so that all values are tensors. */
function present(tensors: object): Record<string, Tensor> {
  return Object.fromEntries(
    Object.entries(tensors).filter(([, tensor]) => tensor !== undefined),
  );
}

/** A persistent tensor may be input and output only where IN_PLACE says so. */
function expectNoOverwrite(
  op: OpName,
  outName: string,
  out: Tensor,
  inputs: Record<string, Tensor>,
): void {
  for (const [name, tensor] of Object.entries(inputs)) {
    if (tensor !== out || name === outName) continue;
    if (!IN_PLACE[op]?.[outName]?.includes(name)) {
      throw new TypeError(
        `Cannot record ${op}: ${outName} would overwrite ${name}, ` +
          describeTensor(tensor),
      );
    }
  }
}
