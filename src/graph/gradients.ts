/**
 * Reverse-mode differentiation: appends the backward calls to a graph.
 *
 * Walks the recorded calls from last to first. Gradients of temporaries are
 * temporaries that are written once; a second contribution makes a new one
 * out of the first. Whether that happens in place is the plan's decision.
 * Gradients of parameters go straight to the persistent tensors named by the
 * caller. The rule of each op is in backward_rules.ts.
 *
 * @module
 */

import { type BackwardPass, backwardRule } from "./backward_rules.ts";
import type { Into } from "./call_recorder.ts";
import type { Graph } from "./graph.ts";
import type { AnyCall } from "./ops.ts";
import { Recomputation, type Recompute, removeUnread } from "./recompute.ts";
import { describeTensor, sameShape, sizeOf, type Tensor } from "./tensor.ts";

/** Where the gradient of one parameter goes. */
export interface GradientTarget {
  /** Persistent, f32, of the parameter's shape. */
  readonly out: Tensor;
  /** Whether to add to what `out` holds, instead of overwriting it. */
  readonly accumulate: boolean;
}

/** What {@linkcode gradients} differentiates with respect to. */
export interface GradientOptions {
  /** Gradient targets by parameter. Nothing else gets a gradient. */
  readonly into: ReadonlyMap<Tensor, GradientTarget>;
  /** d loss / d loss, by default 1. */
  readonly seed?: number;
  /** Which activations are not kept; default `none`. */
  readonly recompute?: Recompute;
}

/**
 * Appends the calls that compute d loss / d parameter for all of `into`.
 *
 * @param loss A tensor of one element that `graph` computes.
 * @throws {TypeError} If `loss` does not depend on a parameter of `into`, or
 * does so through an op that cannot be differentiated.
 */
export function gradients(
  graph: Graph,
  loss: Tensor,
  { into, seed = 1, recompute = "none" }: GradientOptions,
): void {
  const forward = [...graph.calls];
  checkTargets(loss, into, forward);
  const active = activeInputs(forward, into);
  const again = new Recomputation(graph, forward, recompute);
  const sweep = new Sweep(graph, into, again);

  sweep.share(loss, graph.fill(loss.shape, seed));
  for (const call of forward.toReversed()) {
    const wanted = active.get(call);
    const outputs = Object.values<Tensor>(call.out);
    const reached = outputs.filter((tensor) => sweep.has(tensor));
    if (!wanted || reached.length === 0) continue;
    for (const tensor of reached) expectOneValue(tensor, forward);
    sweep.wanted = wanted;
    backwardRule(again.available(call))(sweep);
    const left = outputs.find((tensor) => sweep.has(tensor));
    if (left) {
      throw new TypeError(
        `Cannot differentiate ${call.op}: the loss depends on its ` +
          `${describeTensor(left)}, which has no backward rule`,
      );
    }
  }
  sweep.expectAllReached(loss);
  if (recompute !== "none") removeUnread(graph.calls, forward.length);
}

/**
 * For each call, those of its inputs that depend on a parameter: all that a
 * gradient is needed for. Calls without such inputs are left out.
 */
function activeInputs(
  calls: readonly AnyCall<Tensor>[],
  into: ReadonlyMap<Tensor, GradientTarget>,
): Map<AnyCall<Tensor>, ReadonlySet<Tensor>> {
  const depends = new Set<Tensor>(into.keys());
  const active = new Map<AnyCall<Tensor>, ReadonlySet<Tensor>>();
  for (const call of calls) {
    const inputs = Object.values<Tensor>(call.in);
    const wanted = new Set(inputs.filter((tensor) => depends.has(tensor)));
    if (wanted.size === 0) continue;
    active.set(call, wanted);
    for (const tensor of Object.values<Tensor>(call.out)) depends.add(tensor);
  }
  return active;
}

/** A persistent tensor that takes two values has no single gradient. */
function expectOneValue(
  tensor: Tensor,
  calls: readonly AnyCall<Tensor>[],
): void {
  if (tensor.kind === "temp") return;
  const writers = calls.filter((call) =>
    Object.values<Tensor>(call.out).includes(tensor)
  );
  if (writers.length <= 1) return;
  throw new TypeError(
    `Cannot differentiate: ${describeTensor(tensor)} is written by ` +
      `${writers.length} calls of this graph`,
  );
}

/** The gradients known so far, on the way from the loss to the parameters. */
class Sweep implements BackwardPass {
  readonly graph: Graph;
  /** Inputs of the current call that need a gradient. */
  wanted: ReadonlySet<Tensor> = new Set();
  readonly #into: ReadonlyMap<Tensor, GradientTarget>;
  /** Rules name copies of what was computed again; the books name originals. */
  readonly #again: Recomputation;
  readonly #reached = new Set<Tensor>();
  readonly #known = new Map<Tensor, Tensor>();

  constructor(
    graph: Graph,
    into: ReadonlyMap<Tensor, GradientTarget>,
    again: Recomputation,
  ) {
    this.graph = graph;
    this.#into = into;
    this.#again = again;
  }

  has(tensor: Tensor): boolean {
    return this.#known.has(tensor);
  }

  wants(tensor: Tensor | undefined): tensor is Tensor {
    return tensor !== undefined &&
      this.wanted.has(this.#again.original(tensor));
  }

  take(given: Tensor): Tensor {
    const output = this.#again.original(given);
    const gradient = this.#known.get(output);
    if (!gradient) {
      throw new TypeError(
        `Cannot differentiate: the loss does not depend on ` +
          `${describeTensor(output)}, only on what was kept beside it`,
      );
    }
    this.#known.delete(output);
    return gradient;
  }

  add(given: Tensor, write: (into: Into) => Tensor): void {
    if (!this.wants(given)) return;
    const tensor = this.#again.original(given);
    const target = this.#into.get(tensor);
    if (target) {
      write({ out: target.out, addTo: this.#earlier(tensor, target) });
    } else {
      this.#known.set(tensor, write({ addTo: this.#known.get(tensor) }));
    }
  }

  share(given: Tensor, gradient: Tensor): void {
    const { graph } = this;
    const tensor = this.#again.original(given);
    const target = this.#into.get(tensor);
    if (target) {
      const earlier = this.#earlier(tensor, target) ??
        graph.fill(tensor.shape, 0);
      graph.add(gradient, earlier, { out: target.out });
    } else {
      const earlier = this.#known.get(tensor);
      this.#known.set(
        tensor,
        earlier ? graph.add(gradient, earlier) : gradient,
      );
    }
  }

  expectAllReached(loss: Tensor): void {
    const missed = [...this.#into.keys()].filter((p) => !this.#reached.has(p));
    if (missed.length === 0) return;
    throw new TypeError(
      `Cannot differentiate: the loss ${describeTensor(loss)} does not ` +
        `depend on ${missed.map(describeTensor).join(", ")}`,
    );
  }

  /** What the gradient of a parameter is added to, if anything. */
  #earlier(param: Tensor, target: GradientTarget): Tensor | undefined {
    const first = !this.#reached.has(param);
    this.#reached.add(param);
    return first && !target.accumulate ? undefined : target.out;
  }
}

function checkTargets(
  loss: Tensor,
  into: ReadonlyMap<Tensor, GradientTarget>,
  calls: readonly AnyCall<Tensor>[],
): void {
  const updated = calls.find((call) =>
    Object.values<Tensor>(call.out).some((tensor) => into.has(tensor))
  );
  if (updated) {
    throw new TypeError(
      `Cannot differentiate: ${updated.op} of this graph changes a parameter`,
    );
  }
  if (sizeOf(loss.shape) !== 1) {
    throw new TypeError(
      `Cannot differentiate ${describeTensor(loss)}: a loss has one element`,
    );
  }
  for (const [param, { out }] of into) {
    if (
      param.dtype !== "f32" || out.dtype !== "f32" || out.kind === "temp" ||
      !sameShape(param.shape, out.shape)
    ) {
      throw new TypeError(
        `Cannot differentiate: the gradient of ${describeTensor(param)} does ` +
          `not fit ${describeTensor(out)}, expected a persistent f32 of its ` +
          `shape`,
      );
    }
  }
}
