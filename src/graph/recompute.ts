/**
 * Activations that the backward pass computes again in place of keeping them:
 * less memory, for the time of another forward pass or of a part of it.
 *
 * `selective` drops what is cheap: results of norms and activation functions.
 * `full` drops all that a block (a layer) computes but what leaves it. Calls
 * are recorded a second time where the first backward call needs them, by the
 * same kernels on the same numbers: the same bits.
 * Source: Chen et al. 2016, "Training deep nets with sublinear memory cost",
 * https://arxiv.org/abs/1604.06174; `-r` of llm.c.
 *
 * @module
 */

import type { Graph } from "./graph.ts";
import { type AnyCall, mapCall, type OpName } from "./ops.ts";
import type { Tensor } from "./tensor.ts";

/** What is computed again. */
export type Recompute = "none" | "selective" | "full";

/** Ops that take hardly any time, with results as large as any. */
const CHEAP: ReadonlySet<OpName> = new Set<OpName>([
  "layerNorm",
  "rmsNorm",
  "gelu",
  "swiglu",
]);

/** Gives backward rules the activations that were not kept. */
export class Recomputation {
  readonly #graph: Graph;
  /** What is not kept, by what computes it. */
  readonly #dropped: ReadonlyMap<Tensor, AnyCall<Tensor>>;
  readonly #copies = new Map<Tensor, Tensor>();
  readonly #originals = new Map<Tensor, Tensor>();

  /** @param forward All calls of `graph` so far. */
  constructor(
    graph: Graph,
    forward: readonly AnyCall<Tensor>[],
    recompute: Recompute,
  ) {
    this.#graph = graph;
    this.#dropped = droppedTensors(graph, forward, recompute);
  }

  /** The same call on what there is, or is again. */
  available(call: AnyCall<Tensor>): AnyCall<Tensor> {
    return mapCall(call, (tensor) => this.#available(tensor));
  }

  /** The tensor that a copy stands for; of others itself. */
  original(tensor: Tensor): Tensor {
    return this.#originals.get(tensor) ?? tensor;
  }

  #available(tensor: Tensor): Tensor {
    const call = this.#dropped.get(tensor);
    if (!call) return tensor;
    const known = this.#copies.get(tensor);
    if (known) return known;
    const { op, in: inputs, attrs } = this.#withInputs(call);
    const outputs = Object.entries<Tensor>(call.out).map(([name, original]) => {
      const copy = this.#graph.temp(original.shape);
      this.#copies.set(original, copy);
      this.#originals.set(copy, original);
      return [name, copy];
    });
    // Call and op belong together, which these parts of it cannot express.
    const again = { in: inputs, out: Object.fromEntries(outputs), attrs };
    this.#graph.record(op, again as Parameters<Graph["record"]>[1]);
    return this.#copies.get(tensor)!;
  }

  #withInputs(call: AnyCall<Tensor>): AnyCall<Tensor> {
    const inputs = new Set(Object.values<Tensor>(call.in));
    return mapCall(
      call,
      (tensor) => inputs.has(tensor) ? this.#available(tensor) : tensor,
    );
  }
}

/**
 * Takes out calls from index `first` on whose results nobody reads: a rule is
 * given all tensors of its call, and needs some of them.
 */
export function removeUnread(calls: AnyCall<Tensor>[], first: number): void {
  const read = new Set<Tensor>();
  for (let at = calls.length - 1; at >= first; at--) {
    const outputs = Object.values<Tensor>(calls[at].out);
    if (outputs.some((tensor) => tensor.kind !== "temp" || read.has(tensor))) {
      for (const tensor of Object.values<Tensor>(calls[at].in)) {
        read.add(tensor);
      }
    } else calls.splice(at, 1);
  }
}

function droppedTensors(
  { blocks }: Graph,
  forward: readonly AnyCall<Tensor>[],
  recompute: Recompute,
): Map<Tensor, AnyCall<Tensor>> {
  const dropped = new Map<Tensor, AnyCall<Tensor>>();
  if (recompute === "none") return dropped;
  const lastReader = new Map<Tensor, number>();
  forward.forEach((call, at) => {
    for (const tensor of Object.values<Tensor>(call.in)) {
      lastReader.set(tensor, at);
    }
  });
  for (const { from, to } of blocks) {
    for (const call of forward.slice(from, to)) {
      if (recompute === "selective" && !CHEAP.has(call.op)) continue;
      const outputs = Object.values<Tensor>(call.out);
      const isInside = (tensor: Tensor) =>
        tensor.kind === "temp" && (lastReader.get(tensor) ?? 0) < to;
      if (!outputs.every(isInside)) continue;
      for (const tensor of outputs) dropped.set(tensor, call);
    }
  }
  return dropped;
}
