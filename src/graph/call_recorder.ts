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
import { ShapeChecks } from "./shape_checks.ts";
import {
  describeTensor,
  type DType,
  sameShape,
  type Tensor,
} from "./tensor.ts";

/** Where an op that can accumulate puts its result. */
export interface Into {
  /** Added to the result. */
  addTo?: Tensor;
  /** A persistent tensor to write, in place of a new temporary. */
  out?: Tensor;
}

/** Records calls; {@linkcode Graph} adds a method per op. */
export class CallRecorder {
  /** In order of execution. */
  readonly calls: AnyCall<Tensor>[] = [];
  /** Ranges of calls, by index, that {@linkcode block} marked. */
  readonly blocks: { readonly from: number; readonly to: number }[] = [];
  readonly #named = new Map<string, Tensor>();
  readonly #written = new Set<Tensor>();
  #temps = 0;

  /** All persistent tensors this graph mentions, by name. */
  get named(): ReadonlyMap<string, Tensor> {
    return this.#named;
  }

  /** A trainable parameter, f32. */
  param(name: string, shape: readonly number[]): Tensor {
    return this.#persistent({ kind: "param", name, dtype: "f32", shape });
  }

  /** Something kept from run to run, such as a gradient or a cache. */
  state(name: string, shape: readonly number[]): Tensor {
    return this.#persistent({ kind: "state", name, dtype: "f32", shape });
  }

  /** Something the host writes before a run. */
  input(name: string, shape: readonly number[], dtype: DType): Tensor {
    return this.#persistent({ kind: "input", name, dtype, shape });
  }

  /** Something the host reads after a run. */
  output(name: string, shape: readonly number[]): Tensor {
    return this.#persistent({ kind: "output", name, dtype: "f32", shape });
  }

  /** A new temporary, f32. */
  temp(shape: readonly number[]): Tensor {
    const name = `%${this.#temps++}`;
    return withDimensions({ kind: "temp", name, dtype: "f32", shape });
  }

  /**
   * Marks what `record` records as a block, such as a layer: what only the
   * block itself reads may be computed again when gradients need it; see
   * recompute.ts.
   */
  block<T>(record: () => T): T {
    const from = this.calls.length;
    const result = record();
    this.blocks.push({ from, to: this.calls.length });
    return result;
  }

  /**
   * Records a call. The methods of a graph and the backward rules use it.
   *
   * @throws {TypeError} If a tensor was not made by this graph, a temporary
   * is read before it is written or would be written twice, or an output
   * overwrites an input that the op still needs.
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
    const fail = (name: string, tensor: Tensor, why: string): never => {
      throw new TypeError(
        `Cannot record ${op}: ${name} is ${describeTensor(tensor)}, ${why}`,
      );
    };
    const isForeign = (tensor: Tensor) =>
      tensor.kind !== "temp" && this.#named.get(tensor.name) !== tensor;
    const isWritten = (tensor: Tensor) => this.#written.has(tensor);
    for (const [name, tensor] of Object.entries(inputs)) {
      if (isForeign(tensor)) fail(name, tensor, "which is of another graph");
      if (tensor.kind === "temp" && !isWritten(tensor)) {
        fail(name, tensor, "which no earlier call of this graph writes");
      }
    }
    for (const [name, tensor] of Object.entries(outputs)) {
      if (isForeign(tensor)) fail(name, tensor, "which is of another graph");
      if (tensor.kind === "temp" && isWritten(tensor)) {
        fail(name, tensor, "which an earlier call writes");
      }
      const overwritten = Object.keys(inputs).find((input) =>
        inputs[input] === tensor && input !== name &&
        !IN_PLACE[op]?.[name]?.includes(input)
      );
      if (overwritten) fail(name, tensor, `and so is ${overwritten}`);
      this.#written.add(tensor);
    }
    // The union of all calls cannot be built from a generic K without help.
    this.calls.push(
      { op, ...call, in: inputs } as Call<K, Tensor> as AnyCall<Tensor>,
    );
    return call.out;
  }

  /** The tensor that a result goes to, once `into` is found to fit it. */
  protected result(
    op: OpName,
    shape: readonly number[],
    { addTo, out }: Into = {},
  ): Tensor {
    const check = new ShapeChecks(op);
    check.shape({ addTo, out }, shape);
    check.persistent({ out });
    return out ?? this.temp(shape);
  }

  #persistent(tensor: Tensor): Tensor {
    const known = this.#named.get(tensor.name);
    if (!known) {
      this.#named.set(tensor.name, withDimensions(tensor));
      return tensor;
    }
    if (
      known.kind !== tensor.kind || known.dtype !== tensor.dtype ||
      !sameShape(known.shape, tensor.shape)
    ) {
      throw new TypeError(
        `Cannot use ${describeTensor(tensor)}: it is ${describeTensor(known)}`,
      );
    }
    return known;
  }
}

/** The entries that are there, so that all values are tensors. */
function present(tensors: object): Record<string, Tensor> {
  return Object.fromEntries(
    Object.entries(tensors).filter(([, tensor]) => tensor !== undefined),
  );
}

/** An empty tensor is always a mistake here. */
function withDimensions(tensor: Tensor): Tensor {
  if (!tensor.shape.every((n) => Number.isSafeInteger(n) && n >= 1)) {
    throw new RangeError(
      `Cannot make ${describeTensor(tensor)}: every dimension must be an ` +
        `integer of at least 1`,
    );
  }
  return tensor;
}
